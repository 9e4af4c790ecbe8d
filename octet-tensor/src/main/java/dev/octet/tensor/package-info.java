/** Off-heap tensors, element codecs, quantization schemes and canonical quantized weights. */
@NullMarked
package dev.octet.tensor;

import org.jspecify.annotations.NullMarked;
