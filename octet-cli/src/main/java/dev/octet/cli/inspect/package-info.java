/** What {@code octet inspect} finds in a model directory, a safetensors file or a GGUF file. */
@NullMarked
package dev.octet.cli.inspect;

import org.jspecify.annotations.NullMarked;
