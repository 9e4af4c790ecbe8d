/** Tokenizer, sampling and generation. */
module dev.octet.engine {
  requires static transitive org.jspecify;
  requires transitive dev.octet.quantize;
  requires ai.djl.tokenizers;
  requires ai.djl.api;
  // What the two above use; being automatic modules, they cannot ask for named ones themselves.
  requires org.slf4j;
  requires com.google.gson;
  requires tools.jackson.databind;

  exports dev.octet.engine;
}
