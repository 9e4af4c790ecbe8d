/** AWQ checkpoints of AutoAWQ: the GEMM and GEMV layouts. */
@NullMarked
package dev.octet.checkpoint.awq;

import org.jspecify.annotations.NullMarked;
