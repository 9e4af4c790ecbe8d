/** Turning a model's residual stream and value heads, which changes nothing but what is rounded. */
@NullMarked
package dev.octet.quantize.rotate;

import org.jspecify.annotations.NullMarked;
