/** Reads the header of GGUF files (ggml-org/ggml, {@code docs/gguf.md}). */
@NullMarked
package dev.octet.checkpoint.gguf;

import org.jspecify.annotations.NullMarked;
