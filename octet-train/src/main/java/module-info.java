/** Trains small Llama models with libtorch; optional at run time. */
module dev.octet.train {
  requires static transitive org.jspecify;
  requires dev.octet.checkpoint;
  requires org.bytedeco.javacpp;
  requires org.bytedeco.pytorch;
  requires tools.jackson.databind;

  exports dev.octet.train;
  exports dev.octet.train.bpe;
}
