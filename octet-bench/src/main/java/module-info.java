/** Accuracy tables and timings of our own kernels and models. */
module dev.octet.bench {
  requires static transitive org.jspecify;
  requires dev.octet.engine;
}
