/** Quantizing checkpoints and models, perplexity and verdicts. */
@NullMarked
package dev.octet.quantize;

import org.jspecify.annotations.NullMarked;
