/** Quantizing checkpoints and models, perplexity and verdicts. */
module dev.octet.quantize {
  requires static org.jspecify;
  requires transitive dev.octet.model;
}
