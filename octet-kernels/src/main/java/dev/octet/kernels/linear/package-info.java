/** What every provider's linear layers share: shape checks and the quantization of activations. */
@NullMarked
package dev.octet.kernels.linear;

import org.jspecify.annotations.NullMarked;
