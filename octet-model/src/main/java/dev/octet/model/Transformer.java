package dev.octet.model;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.Linear;
import dev.octet.model.Pass.Segment;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The forward pass of the Llama family, top to bottom. Linears and norms see the rows of all
 * sequences at once; attention sees one sequence at a time.
 */
final class Transformer {
  private final ModelConfig config;
  private final Kernels kernels;
  private final List<LayerAttention> attention;
  private final Embedding embedding;
  private final List<DecoderLayer> layers = new ArrayList<>();
  private final RmsNorm finalNorm;
  private final Linear head;
  private final boolean tiedHead;

  Transformer(ModuleLoader modules, List<LayerAttention> attention) {
    this.config = modules.config();
    this.kernels = modules.kernels();
    this.attention = attention;
    LinearWeights headWeights = modules.source().lmHead();
    Embedding ownTable = Embedding.load(modules.source());
    this.tiedHead = headWeights.weight().equals(ownTable.table());
    this.head = modules.head(headWeights);
    this.embedding = tiedHead ? new Embedding(head.table()) : ownTable;
    for (int i = 0; i < config.layers(); i++) {
      layers.add(DecoderLayer.load(modules, i));
    }
    this.finalNorm = modules.norm("model.norm", config.hiddenSize());
  }

  /**
   * @param a buffers of {@code pass.rows()} rows
   * @param logits F32 [pass.wanted().length, vocab]
   * @param tap sees the residual stream after every layer
   */
  void forward(Pass pass, Activations a, Tensor logits, LayerTap tap) {
    kernels.lookUp(embedding.table(), pass.ids(), a.hidden());
    for (int i = 0; i < layers.size(); i++) {
      DecoderLayer layer = layers.get(i);
      attention(layer, i, pass, a);
      feedForward(layer, pass, a);
      tap.left(i, a.hidden());
    }
    head(pass.wanted(), a, logits);
  }

  /** {@code x += o(attention(rope(q(norm x)), rope(k(norm x)), v(norm x)))}. */
  private void attention(DecoderLayer layer, int index, Pass pass, Activations a) {
    layer.inputNorm().apply(kernels, a.hidden(), a.branch());
    layer.queryKeyValue().apply(pass, a.branch(), a.query(), a.key(), a.value());
    if (layer.queryNorm() != null && layer.keyNorm() != null) {
      Tensor q = a.query().reshape(a.query().size() / config.headDim(), config.headDim());
      Tensor k = a.key().reshape(a.key().size() / config.headDim(), config.headDim());
      layer.queryNorm().apply(kernels, q, q);
      layer.keyNorm().apply(kernels, k, k);
    }
    for (Segment segment : pass.segments()) {
      attendWithin(segment, index, layer.window(), a);
    }
    layer.output().apply(pass, a.context(), a.branch());
    kernels.add(a.hidden(), a.branch());
  }

  private void attendWithin(Segment segment, int index, int window, Activations a) {
    LayerAttention how = attention.get(index);
    KvLayer kv = segment.cache().layer(index);
    Tensor q = heads(a.query(), segment, config.heads());
    Tensor k = heads(a.key(), segment, config.kvHeads());
    Tensor v = heads(a.value(), segment, config.kvHeads());
    int offset = kv.length();
    int[] positions = new int[segment.rows()];
    for (int i = 0; i < positions.length; i++) {
      positions[i] = offset + i;
    }
    kernels.rope(q, positions, segment.rotary());
    if (how.query() != null) {
      how.query().round(q);
    }
    kernels.append(kv, k, v, positions, segment.rotary());
    float scale = (float) (1 / Math.sqrt(config.headDim()));
    AttentionSpec spec = new AttentionSpec(config.heads(), scale, true, offset, window, null);
    Tensor out = heads(a.context(), segment, config.heads());
    kernels.attention().attend(how.kind(), spec, q, kv, out, null);
  }

  private Tensor heads(Tensor x, Segment segment, int heads) {
    return x.rowRange(segment.from(), segment.from() + segment.rows())
        .reshape(segment.rows(), heads, config.headDim());
  }

  /** {@code x += down(silu(gate(norm x)) · up(norm x))}. */
  private void feedForward(DecoderLayer layer, Pass pass, Activations a) {
    layer.postAttentionNorm().apply(kernels, a.hidden(), a.branch());
    layer.gateUp().apply(pass, a.branch(), a.gate(), a.up());
    kernels.swiGlu(a.gate(), a.up(), a.gate());
    layer.down().apply(pass, a.gate(), a.branch());
    kernels.add(a.hidden(), a.branch());
  }

  /** Norm and output projection of the rows whose logits are wanted; no other is projected. */
  private void head(int[] wanted, Activations a, Tensor logits) {
    if (wanted.length == 0) {
      return;
    }
    Tensor rows = a.branch().rowRange(0, wanted.length);
    long rowBytes = rows.byteSize() / wanted.length;
    for (int i = 0; i < wanted.length; i++) {
      MemorySegment.copy(
          a.hidden().segment(), wanted[i] * rowBytes, rows.segment(), i * rowBytes, rowBytes);
    }
    finalNorm.apply(kernels, rows, rows);
    head.apply(rows, logits);
  }

  /** Bytes of all weights; a head that is the embedding counts once. */
  long byteSize() {
    long headBytes = tiedHead ? 0 : head.byteSize();
    return embedding.table().byteSize()
        + layers.stream().mapToLong(DecoderLayer::byteSize).sum()
        + finalNorm.byteSize()
        + headBytes;
  }
}
