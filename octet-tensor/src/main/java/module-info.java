/** Off-heap tensors, element codecs, quantization schemes and canonical quantized weights. */
module dev.octet.tensor {
  requires static org.jspecify;
}
