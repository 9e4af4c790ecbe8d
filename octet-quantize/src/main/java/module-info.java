/** Quantizing checkpoints and models, perplexity and verdicts. */
module dev.octet.quantize {
  requires static transitive org.jspecify;
  requires transitive dev.octet.model;

  exports dev.octet.quantize;
}
