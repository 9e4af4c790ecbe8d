package dev.octet.train;

import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * The Llama decoder in libtorch: RMSNorm, rotary embedding (half rotation), grouped-query
 * attention, SwiGLU, as Hugging Face's {@code LlamaForCausalLM} computes it, with that class's
 * parameter names.
 *
 * <p>Under {@link ComputeType#BF16} the linear layers run on BF16 copies of the F32 parameters;
 * norms, attention, the residual stream and the loss stay in F32 (libtorch's BF16 attention on CPUs
 * without matrix units is many times slower than its F32 one).
 */
final class LlamaModule implements AutoCloseable {
  private final LlamaShape shape;
  private final ComputeType compute;
  private final FlatParameters parameters;
  private final Tensor cosine;
  private final Tensor sine;

  LlamaModule(LlamaShape shape, ComputeType compute) {
    this(shape, compute, new FlatParameters(shape));
  }

  /** A module over given parameters, which it closes. */
  LlamaModule(LlamaShape shape, ComputeType compute, FlatParameters parameters) {
    this.shape = shape;
    this.compute = compute;
    this.parameters = parameters;
    int half = shape.headDim() / 2;
    float[] cos = new float[shape.context() * half];
    float[] sin = new float[shape.context() * half];
    for (int t = 0; t < shape.context(); t++) {
      for (int i = 0; i < half; i++) {
        double angle = t * Math.pow(shape.ropeTheta(), -2.0 * i / shape.headDim());
        cos[t * half + i] = (float) Math.cos(angle);
        sin[t * half + i] = (float) Math.sin(angle);
      }
    }
    cosine = Tensor.create(cos, shape.context(), 1, half).retainReference();
    sine = Tensor.create(sin, shape.context(), 1, half).retainReference();
  }

  /** The same parameters with gradients of their own. */
  LlamaModule replica() {
    return new LlamaModule(shape, compute, parameters.replica());
  }

  LlamaShape shape() {
    return shape;
  }

  FlatParameters parameters() {
    return parameters;
  }

  /** Next-token scores: ids {@code [batch, time]} to F32 logits {@code [batch * time, vocab]}. */
  Tensor forward(Tensor ids) {
    long batch = ids.size(0);
    long time = ids.size(1);
    Tensor cos = cosine.narrow(0, 0, time);
    Tensor sin = sine.narrow(0, 0, time);
    Tensor x = torch.embedding(parameters.get("model.embed_tokens.weight"), ids);
    x = x.view(batch * time, shape.hidden());
    for (int i = 0; i < shape.layers(); i++) {
      String layer = "model.layers." + i + ".";
      Tensor h = norm(x, layer + "input_layernorm.weight");
      x = x.add(attention(h, layer + "self_attn.", batch, time, cos, sin));
      h = norm(x, layer + "post_attention_layernorm.weight");
      x = x.add(feedForward(h, layer + "mlp."));
    }
    x = norm(x, "model.norm.weight");
    String head = shape.tiedEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight";
    return widen(linear(narrow(x), head));
  }

  /** Mean cross-entropy of {@code targets [batch * time]} in nats. */
  Tensor loss(Tensor ids, Tensor targets) {
    return torch.cross_entropy(forward(ids), targets);
  }

  private Tensor attention(Tensor x, String name, long batch, long time, Tensor cos, Tensor sin) {
    int d = shape.headDim();
    Tensor in = narrow(x);
    Tensor q = linear(in, name + "q_proj.weight").view(batch, time, shape.heads(), d);
    Tensor k = linear(in, name + "k_proj.weight").view(batch, time, shape.kvHeads(), d);
    Tensor v = linear(in, name + "v_proj.weight").view(batch, time, shape.kvHeads(), d);
    q = rotate(q, cos, sin).transpose(1, 2);
    k = repeat(rotate(k, cos, sin), batch, time).transpose(1, 2);
    v = repeat(widen(v), batch, time).transpose(1, 2);
    Tensor out =
        torch.scaled_dot_product_attention(
            q, k, v, new TensorOptional(), 0.0, true, new DoubleOptional(), false);
    out = out.transpose(1, 2).reshape(batch * time, (long) shape.heads() * d);
    return widen(linear(narrow(out), name + "o_proj.weight"));
  }

  private Tensor feedForward(Tensor x, String name) {
    Tensor in = narrow(x);
    Tensor gate = torch.silu(linear(in, name + "gate_proj.weight"));
    Tensor up = linear(in, name + "up_proj.weight");
    return widen(linear(gate.mul(up), name + "down_proj.weight"));
  }

  /** Rotates pairs (i, i + d/2) of {@code x [batch, time, heads, d]} by the position's angles. */
  private Tensor rotate(Tensor x, Tensor cos, Tensor sin) {
    long half = shape.headDim() / 2;
    Tensor wide = widen(x);
    Tensor low = wide.narrow(3, 0, half);
    Tensor high = wide.narrow(3, half, half);
    Tensor first = low.mul(cos).sub(high.mul(sin));
    Tensor second = high.mul(cos).add(low.mul(sin));
    return torch.cat(new TensorVector(first, second), 3);
  }

  /** Gives every query head its own copy of the key or value head that its group shares. */
  private Tensor repeat(Tensor x, long batch, long time) {
    long group = shape.heads() / shape.kvHeads();
    long d = shape.headDim();
    return x.unsqueeze(3)
        .expand(batch, time, shape.kvHeads(), group, d)
        .reshape(batch, time, shape.heads(), d);
  }

  private Tensor norm(Tensor x, String name) {
    Tensor mean = x.square().mean(new long[] {-1}, true, new ScalarTypeOptional());
    Tensor scale = mean.add(new Scalar(shape.normEps())).rsqrt();
    return x.mul(scale).mul(parameters.get(name));
  }

  private Tensor linear(Tensor x, String name) {
    return torch.linear(x, narrow(parameters.get(name)));
  }

  private Tensor narrow(Tensor x) {
    return compute == ComputeType.BF16 ? x.to(torch.ScalarType.BFloat16) : x;
  }

  private Tensor widen(Tensor x) {
    return compute == ComputeType.BF16 ? x.to(torch.ScalarType.Float) : x;
  }

  /** Logits {@code [ids.length][vocab]} of one sequence, without gradients. */
  float[][] logits(int[] ids) {
    if (ids.length == 0 || ids.length > shape.context()) {
      throw new TrainException(
          "a sequence of %d tokens does not fit a context of %d"
              .formatted(ids.length, shape.context()));
    }
    long[] wide = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      wide[i] = ids[i];
    }
    try (PointerScope _ = new PointerScope();
        Gradients _ = Gradients.off()) {
      Tensor out = forward(Tensor.create(wide, 1, ids.length)).contiguous();
      float[] flat = new float[Math.multiplyExact(ids.length, shape.vocabSize())];
      new FloatPointer(out.data_ptr()).get(flat);
      float[][] rows = new float[ids.length][];
      for (int i = 0; i < ids.length; i++) {
        rows[i] = Arrays.copyOfRange(flat, i * shape.vocabSize(), (i + 1) * shape.vocabSize());
      }
      return rows;
    }
  }

  @Override
  public void close() {
    parameters.close();
    cosine.releaseReference();
    sine.releaseReference();
  }
}
