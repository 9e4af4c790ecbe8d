/** Linear layers, attention, norms: the Kernels interface and its providers. */
@NullMarked
package dev.octet.kernels;

import org.jspecify.annotations.NullMarked;
