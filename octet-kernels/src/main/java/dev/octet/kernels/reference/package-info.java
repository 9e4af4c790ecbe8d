/** The reference provider: plain Java, the definition of right. */
@NullMarked
package dev.octet.kernels.reference;

import org.jspecify.annotations.NullMarked;
