/** Architectures, KV cache and the forward pass. */
module dev.octet.model {
  requires static transitive org.jspecify;
  requires transitive dev.octet.checkpoint;
  requires transitive dev.octet.kernels;

  exports dev.octet.model;
}
