/** What every provider's attention shares: the block store, the rotation, visibility, merging. */
@NullMarked
package dev.octet.kernels.attention;

import org.jspecify.annotations.NullMarked;
