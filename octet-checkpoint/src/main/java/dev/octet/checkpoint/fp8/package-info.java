/** FP8 checkpoints: block-wise as DeepSeek's, per tensor, and FBGEMM's per channel. */
@NullMarked
package dev.octet.checkpoint.fp8;

import org.jspecify.annotations.NullMarked;
