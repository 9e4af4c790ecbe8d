/** Accuracy tables and timings of our own kernels and models. */
module dev.octet.bench {
  requires static transitive org.jspecify;
  requires transitive dev.octet.engine;
  requires transitive dev.octet.kernels;
  requires transitive dev.octet.model;
  requires java.management;
  requires jdk.management;
  requires tools.jackson.databind;

  exports dev.octet.bench;
  exports dev.octet.bench.conformance;
  exports dev.octet.bench.demo;
  exports dev.octet.bench.peer;

  uses dev.octet.bench.peer.Peer;
}
