package dev.octet.quantize;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.Optional;

/** A source that changes layers of another one; what it does not override is the other's. */
interface ForwardingSource extends WeightSource {
  /** The other one; it must outlive this. */
  WeightSource source();

  @Override
  default ModelConfig config() {
    return source().config();
  }

  @Override
  default boolean hasTensor(String name) {
    return source().hasTensor(name);
  }

  @Override
  default Tensor tensor(String name) {
    return source().tensor(name);
  }

  @Override
  default RowTable embedding() {
    return source().embedding();
  }

  @Override
  default Optional<KvScales> kvScales(int layer) {
    return source().kvScales(layer);
  }

  @Override
  default Optional<QueryScales> queryScales(int layer) {
    return source().queryScales(layer);
  }

  @Override
  default List<String> scaleProblems() {
    return source().scaleProblems();
  }

  @Override
  default List<String> notices() {
    return source().notices();
  }
}
