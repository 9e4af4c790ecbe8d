/** Tokenizer, sampling and generation. */
module dev.octet.engine {
  requires static transitive org.jspecify;
  requires transitive dev.octet.quantize;
  requires ai.djl.tokenizers;
  requires ai.djl.api;
  requires tools.jackson.databind;

  exports dev.octet.engine;
}
