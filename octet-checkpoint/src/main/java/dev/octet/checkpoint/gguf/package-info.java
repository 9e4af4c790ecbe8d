/** GGUF files (ggml-org/ggml, {@code docs/gguf.md}): read as models, and written. */
@NullMarked
package dev.octet.checkpoint.gguf;

import org.jspecify.annotations.NullMarked;
