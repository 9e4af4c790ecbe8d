/** Linear layers, attention, norms: the Kernels interface and its providers. */
module dev.octet.kernels {
  requires static org.jspecify;
  requires transitive dev.octet.tensor;
  requires jdk.incubator.vector;
}
