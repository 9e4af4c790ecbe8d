/** Trains small Llama models with libtorch; optional at run time. */
module dev.octet.train {
  requires static transitive org.jspecify;
  requires dev.octet.checkpoint;
}
