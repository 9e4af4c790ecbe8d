/**
 * The compressed-tensors format of vLLM and llm-compressor: INT8, INT4 and FP8, read and written.
 */
@NullMarked
package dev.octet.checkpoint.compressedtensors;

import org.jspecify.annotations.NullMarked;
