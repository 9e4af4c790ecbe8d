/** Trains small Llama models with libtorch; optional at run time. */
module dev.octet.train {
  requires static transitive org.jspecify;
  requires dev.octet.checkpoint;
  requires org.bytedeco.javacpp;
  requires org.bytedeco.pytorch;
  // The native libraries: named here so that they are resolved along with this module.
  requires org.bytedeco.javacpp.linux.x86_64;
  requires org.bytedeco.openblas.linux.x86_64;
  requires org.bytedeco.pytorch.linux.x86_64;
  requires tools.jackson.databind;

  exports dev.octet.train;
  exports dev.octet.train.bpe;
}
