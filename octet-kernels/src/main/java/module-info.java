/** Linear layers, attention, norms: the Kernels interface and its providers. */
module dev.octet.kernels {
  requires static transitive org.jspecify;
  requires transitive dev.octet.tensor;
  requires jdk.incubator.vector;

  exports dev.octet.kernels;
}
