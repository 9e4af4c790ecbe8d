/**
 * Byte-level byte-pair encoding: training a vocabulary, encoding with it, writing tokenizer.json.
 */
@NullMarked
package dev.octet.train.bpe;

import org.jspecify.annotations.NullMarked;
