/** Off-heap tensors, element codecs, quantization schemes and canonical quantized weights. */
module dev.octet.tensor {
  requires static transitive org.jspecify;

  exports dev.octet.tensor;
}
