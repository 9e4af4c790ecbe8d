package dev.octet.quantize;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;

/**
 * Weights quantized while they are loaded, layer by layer, as each is asked for. A quantized
 * layer's memory is freed when nothing refers to it any more; the original stays in its mapped
 * file.
 *
 * <p>Groups that do not divide the input features end in a short one. A layer that the checkpoint
 * holds quantized already is refused, unless it is ignored.
 */
public final class QuantizedSource implements WeightSource {
  private final WeightSource source;
  private final QuantizeOptions options;

  /**
   * @param source unquantized weights; stays the caller's and must outlive this
   */
  public QuantizedSource(WeightSource source, QuantizeOptions options) {
    this.source = source;
    this.options = options;
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
  public RowTable embedding() {
    return source.embedding();
  }

  @Override
  public LinearWeights linear(String module) {
    return quantized(module, source.linear(module));
  }

  /** Quantized if not ignored; with tied embeddings a second, quantized form of the embedding. */
  @Override
  public LinearWeights lmHead() {
    return quantized(ModelLayout.LM_HEAD, source.lmHead());
  }

  private LinearWeights quantized(String module, LinearWeights layer) {
    if (options.ignores(module)) {
      return layer;
    }
    LinearWeights quantized =
        LayerQuantizer.quantize(module, layer, options.schemeOf(module), Arena.ofAuto());
    OffHeapGarbage.made(quantized.byteSize());
    return quantized;
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return source.kvScales(layer);
  }

  @Override
  public Optional<QueryScales> queryScales(int layer) {
    return source.queryScales(layer);
  }

  @Override
  public List<String> scaleProblems() {
    return source.scaleProblems();
  }

  @Override
  public List<String> notices() {
    return source.notices();
  }
}
