package dev.octet.quantize;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.PlainForm;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.LinearWeights;
import java.util.Optional;

/** A checkpoint's weights on their way into a file that holds nothing but weights. */
record ConvertedSource(WeightSource source, boolean weightsOnly) implements ForwardingSource {
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
  public LinearWeights linear(String module) {
    LinearWeights plain = PlainForm.of(source.linear(module));
    OffHeapGarbage.made(plain.byteSize());
    return weightsOnly ? FormatConverter.bare(plain) : plain;
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return Optional.empty();
  }

  @Override
  public Optional<QueryScales> queryScales(int layer) {
    return Optional.empty();
  }
}
