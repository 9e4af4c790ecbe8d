/** Tokenizer, sampling and generation. */
module dev.octet.engine {
  requires static transitive org.jspecify;
  requires transitive dev.octet.quantize;
}
