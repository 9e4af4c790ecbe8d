/** Quantizing checkpoints and models, perplexity and verdicts. */
module dev.octet.quantize {
  requires static transitive org.jspecify;
  requires transitive dev.octet.model;
  requires jdk.incubator.vector;
  requires jdk.management;
  requires tools.jackson.core;
  requires tools.jackson.dataformat.yaml;

  exports dev.octet.quantize;
  exports dev.octet.quantize.calibrate;
  exports dev.octet.quantize.compare;
  exports dev.octet.quantize.machine;
  exports dev.octet.quantize.method;
  exports dev.octet.quantize.mixed;
  exports dev.octet.quantize.observe;
  exports dev.octet.quantize.recipe;
  exports dev.octet.quantize.report;
  exports dev.octet.quantize.rotate;
  exports dev.octet.quantize.sensitivity;
}
