/** Tokenizer, sampling and generation. */
module dev.octet.engine {
  requires static org.jspecify;
  requires transitive dev.octet.quantize;
}
