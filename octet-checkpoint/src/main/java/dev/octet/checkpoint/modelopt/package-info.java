/** Checkpoints of NVIDIA's Model Optimizer: FP8, NVFP4 and W4A16_AWQ. */
@NullMarked
package dev.octet.checkpoint.modelopt;

import org.jspecify.annotations.NullMarked;
