/** Tokenizer, sampling and generation. */
module dev.octet.engine {
  requires static transitive org.jspecify;
  requires transitive dev.octet.quantize;
  requires ai.djl.tokenizers;
  requires ai.djl.api;
  requires org.slf4j; // the two above log through it and, being automatic, do not say so
  requires tools.jackson.databind;

  exports dev.octet.engine;
}
