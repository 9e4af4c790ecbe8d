/** How far a quantized model's predictions are from the original's, and where that begins. */
@NullMarked
package dev.octet.quantize.compare;

import org.jspecify.annotations.NullMarked;
