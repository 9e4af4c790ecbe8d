package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.LinearWeights;

/**
 * {@code W8A8_MIX}: the tensors of both W8A8 and W8A8_DYNAMIC. Inputs are quantized token by token
 * while a prompt is read, and by the calibrated scale while tokens follow one by one.
 */
record MixedLayer(StoredTensors tensors, LinearShape shape, int group) implements Layer {
  private Int8Layer prefill() {
    return Int8Layer.of(tensors, shape, group, new ActivationQuant.DynamicInt8());
  }

  private StaticLayer decode() {
    return new StaticLayer(tensors, shape);
  }

  @Override
  public void check() {
    prefill().grid().check();
    prefill().grid().requireChannels();
    decode().check();
  }

  /** A bias that is only inside {@code quant_bias} holds for both. */
  @Override
  public LinearWeights read() {
    LinearWeights dynamic = prefill().read();
    LinearWeights fixed = decode().read();
    return new LinearWeights(
        dynamic.weight(),
        dynamic.bias() == null ? fixed.bias() : dynamic.bias(),
        dynamic.activation(),
        null,
        fixed);
  }
}
