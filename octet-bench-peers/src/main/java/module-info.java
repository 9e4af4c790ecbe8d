/** Other projects' kernels to measure ours against; optional, as it brings their libraries. */
module dev.octet.benchpeers {
  requires static transitive org.jspecify;
  requires com.microsoft.onnxruntime;
  requires dev.octet.bench;
  requires org.bytedeco.dnnl;
  requires org.bytedeco.javacpp;
  requires org.bytedeco.openblas;
  requires org.bytedeco.pytorch;
  // The native libraries: named here so that they are resolved along with this module.
  requires org.bytedeco.dnnl.linux.x86_64;
  requires org.bytedeco.javacpp.linux.x86_64;
  requires org.bytedeco.openblas.linux.x86_64;
  requires org.bytedeco.opencl.linux.x86_64;
  requires org.bytedeco.pytorch.linux.x86_64;

  provides dev.octet.bench.peer.Peer with
      dev.octet.benchpeers.Libtorch,
      dev.octet.benchpeers.LlamaCpp,
      dev.octet.benchpeers.OneDnn,
      dev.octet.benchpeers.OnnxRuntime;
}
