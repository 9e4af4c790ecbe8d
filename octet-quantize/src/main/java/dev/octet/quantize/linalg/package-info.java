/** Dense F32 matrices: products on the kernels, Gram matrices, Cholesky. */
@NullMarked
package dev.octet.quantize.linalg;

import org.jspecify.annotations.NullMarked;
