/** Tokenizer, sampling and generation. */
@NullMarked
package dev.octet.engine;

import org.jspecify.annotations.NullMarked;
