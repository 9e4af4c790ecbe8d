/** Quantizing one linear layer with knowledge of its inputs: GPTQ, scale search, clipping. */
@NullMarked
package dev.octet.quantize.method;

import org.jspecify.annotations.NullMarked;
