package dev.octet.quantize;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.PlainForm;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.util.Optional;

/** A checkpoint's weights on their way into a file that holds nothing but weights. */
record ConvertedSource(WeightSource source, boolean weightsOnly) implements WeightSource {
  /**
   * @throws CheckpointException if there are scales of a cache and they are not to be left out
   */
  ConvertedSource {
    for (int layer = 0; layer < source.config().layers() && !weightsOnly; layer++) {
      if (source.kvScales(layer).isPresent()) {
        throw new CheckpointException(
            "layer %d: has scales of its cache, which GGUF cannot hold; --weights-only leaves them out"
                .formatted(layer));
      }
    }
  }

  @Override
  public ModelConfig config() {
    return source.config();
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
    LinearWeights plain = PlainForm.of(source.linear(module));
    OffHeapGarbage.made(plain.byteSize());
    return weightsOnly ? FormatConverter.bare(plain) : plain;
  }

  @Override
  public RowTable embedding() {
    return source.embedding();
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return Optional.empty();
  }
}
