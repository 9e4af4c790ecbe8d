/** Reads and writes checkpoints: safetensors, config.json, quantized formats. */
module dev.octet.checkpoint {
  requires static transitive org.jspecify;
  requires transitive dev.octet.tensor;
  requires tools.jackson.databind;
  requires jdk.unsupported; // O_DIRECT

  exports dev.octet.checkpoint;
  exports dev.octet.checkpoint.gguf;
  exports dev.octet.checkpoint.packing;
}
