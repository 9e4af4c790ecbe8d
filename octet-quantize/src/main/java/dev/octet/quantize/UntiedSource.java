package dev.octet.quantize;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.util.Optional;

/** A model whose output layer is its embedding, seen as one with an output layer of its own. */
record UntiedSource(WeightSource source) implements WeightSource {
  @Override
  public ModelConfig config() {
    return source.config().untied();
  }

  @Override
  public boolean hasTensor(String name) {
    return source.hasTensor(name);
  }

  @Override
  public Tensor tensor(String name) {
    return source.tensor(name);
  }

  @Override
  public LinearWeights linear(String module) {
    return module.equals(ModelLayout.LM_HEAD) ? source.lmHead() : source.linear(module);
  }

  @Override
  public RowTable embedding() {
    return source.embedding();
  }

  @Override
  public LinearWeights lmHead() {
    return source.lmHead();
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return source.kvScales(layer);
  }

  @Override
  public Optional<QueryScales> queryScales(int layer) {
    return source.queryScales(layer);
  }
}
