package dev.octet.quantize;

import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.LinearWeights;
import java.lang.foreign.Arena;

/**
 * Weights quantized while they are loaded, layer by layer, as each is asked for. A quantized
 * layer's memory is freed when nothing refers to it any more; the original stays in its mapped
 * file.
 *
 * <p>Groups that do not divide the input features end in a short one. A layer that the checkpoint
 * holds quantized already is refused, unless it is ignored.
 */
public final class QuantizedSource implements ForwardingSource {
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
  public WeightSource source() {
    return source;
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
}
