/** Quantizing one linear layer: GPTQ, HQQ, scale search, clipping, static input scales. */
@NullMarked
package dev.octet.quantize.method;

import org.jspecify.annotations.NullMarked;
