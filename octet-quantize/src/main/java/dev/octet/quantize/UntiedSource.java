package dev.octet.quantize;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.LinearWeights;

/** A model whose output layer is its embedding, seen as one with an output layer of its own. */
record UntiedSource(WeightSource source) implements ForwardingSource {
  @Override
  public ModelConfig config() {
    return source.config().untied();
  }

  @Override
  public LinearWeights linear(String module) {
    return module.equals(ModelLayout.LM_HEAD) ? source.lmHead() : source.linear(module);
  }

  @Override
  public LinearWeights lmHead() {
    return source.lmHead();
  }
}
