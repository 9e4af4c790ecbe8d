package dev.octet.quantize;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RowTable;
import java.lang.foreign.Arena;
import java.lang.ref.WeakReference;

/**
 * Another source's weights with output layer and embedding quantized while they are loaded,
 * whatever the layers between them are: a GPTQ checkpoint, say, whose head was left in 16 bits. Of
 * tied embeddings there is one table, which both ways of asking return while anybody holds it.
 */
public final class OuterSource implements ForwardingSource {
  private final WeightSource source;
  private final OuterSchemes schemes;
  private WeakReference<LinearWeights> tied = new WeakReference<>(null);

  private OuterSource(WeightSource source, OuterSchemes schemes) {
    this.source = source;
    this.schemes = schemes;
  }

  /**
   * @param source stays the caller's and must outlive the result
   * @throws CheckpointException if the schemes do not fit the model
   */
  public static WeightSource of(WeightSource source, OuterSchemes schemes) {
    schemes.requireFits(source.config());
    return schemes.none() ? source : new OuterSource(source, schemes);
  }

  @Override
  public WeightSource source() {
    return source;
  }

  @Override
  public LinearWeights linear(String module) {
    return module.equals(ModelLayout.LM_HEAD) ? lmHead() : source.linear(module);
  }

  @Override
  public LinearWeights lmHead() {
    QuantScheme scheme = schemes.head();
    if (scheme == null) {
      return source.lmHead();
    }
    LinearWeights known = tied.get();
    if (known != null) {
      return known;
    }
    LinearWeights made = quantized(ModelLayout.LM_HEAD, source.lmHead(), scheme);
    if (config().tiedEmbeddings()) {
      tied = new WeakReference<>(made);
    }
    return made;
  }

  @Override
  public RowTable embedding() {
    QuantScheme scheme = schemes.table(config());
    if (scheme == null) {
      return source.embedding();
    }
    if (config().tiedEmbeddings()) {
      return lmHead().weight();
    }
    RowTable table = source.embedding();
    if (!(table instanceof QuantizedWeight weight)) {
      throw new CheckpointException(
          "%s is %s already; run it as it is".formatted(ModelLayout.EMBEDDING, table.label()));
    }
    LinearWeights layer = new LinearWeights(weight, null, new ActivationQuant.None());
    return quantized(ModelLayout.EMBEDDING, layer, scheme).weight();
  }

  private static LinearWeights quantized(String name, LinearWeights layer, QuantScheme scheme) {
    LinearWeights made = LayerQuantizer.quantize(name, layer, scheme, Arena.ofAuto());
    OffHeapGarbage.made(made.byteSize());
    return made;
  }
}
