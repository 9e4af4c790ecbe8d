/** Reads and writes checkpoints: safetensors, config.json, compressed-tensors. */
@NullMarked
package dev.octet.checkpoint;

import org.jspecify.annotations.NullMarked;
