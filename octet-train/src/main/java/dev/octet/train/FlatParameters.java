package dev.octet.train;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * All parameters of a model in one flat F32 buffer, and their gradients in another; each parameter
 * and its {@code .grad} are views into them.
 *
 * <p>One flat buffer makes the optimizer, clipping and the state file a handful of operations over
 * long vectors. Autograd adds into a gradient that is already there, so the views stay valid.
 */
final class FlatParameters implements AutoCloseable {
  /** Where one parameter lies in the flat buffers. */
  record Slot(String name, long offset, long[] shape) {
    long length() {
      long n = 1;
      for (long d : shape) {
        n *= d;
      }
      return n;
    }

    /** Weight decay is for matrices that multiply; norms and embeddings are left alone. */
    boolean decays() {
      return shape.length == 2 && !name.equals("model.embed_tokens.weight");
    }
  }

  private final SequencedMap<String, Slot> slots = new LinkedHashMap<>();
  private final Map<String, Tensor> views = new LinkedHashMap<>();
  private final Tensor values;
  private final Tensor gradients;
  private final long length;

  FlatParameters(LlamaShape shape) {
    length = declare(shape);
    values = torch.zeros(new long[] {length}).retainReference();
    gradients = torch.zeros(new long[] {length}).retainReference();
    addViews();
  }

  private FlatParameters(FlatParameters original) {
    length = original.length;
    slots.putAll(original.slots);
    values = original.values.retainReference();
    gradients = torch.zeros(new long[] {length}).retainReference();
    addViews();
  }

  /** The same values with gradients of their own, for another thread. */
  FlatParameters replica() {
    return new FlatParameters(this);
  }

  private void addViews() {
    for (Slot slot : slots.values()) {
      Tensor view = values.narrow(0, slot.offset(), slot.length()).view(slot.shape()).detach();
      view.set_requires_grad(true);
      Tensor gradient = gradients.narrow(0, slot.offset(), slot.length()).view(slot.shape());
      view.mutable_grad().put(gradient);
      views.put(slot.name(), view.retainReference());
    }
  }

  /** Lists the parameters in the order of the forward pass, under their Hugging Face names. */
  private long declare(LlamaShape s) {
    long at = add(0, "model.embed_tokens.weight", s.vocabSize(), s.hidden());
    for (int i = 0; i < s.layers(); i++) {
      String p = "model.layers." + i + ".";
      long q = (long) s.heads() * s.headDim();
      long kv = (long) s.kvHeads() * s.headDim();
      at = add(at, p + "input_layernorm.weight", s.hidden());
      at = add(at, p + "self_attn.q_proj.weight", q, s.hidden());
      at = add(at, p + "self_attn.k_proj.weight", kv, s.hidden());
      at = add(at, p + "self_attn.v_proj.weight", kv, s.hidden());
      at = add(at, p + "self_attn.o_proj.weight", s.hidden(), q);
      at = add(at, p + "post_attention_layernorm.weight", s.hidden());
      at = add(at, p + "mlp.gate_proj.weight", s.intermediate(), s.hidden());
      at = add(at, p + "mlp.up_proj.weight", s.intermediate(), s.hidden());
      at = add(at, p + "mlp.down_proj.weight", s.hidden(), s.intermediate());
    }
    at = add(at, "model.norm.weight", s.hidden());
    return s.tiedEmbeddings() ? at : add(at, "lm_head.weight", s.vocabSize(), s.hidden());
  }

  private long add(long at, String name, long... shape) {
    Slot slot = new Slot(name, at, shape);
    slots.put(name, slot);
    return at + slot.length();
  }

  /**
   * Norms start at 1, matrices at N(0, 0.02), those that write into the residual stream at 0.02 /
   * sqrt(2 layers) (Radford et al. 2019, section 2.3). The generator is Java's, so that a seed
   * gives the same model whatever libtorch is built with.
   */
  void initialize(LlamaShape shape, long seed) {
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    FloatPointer data = new FloatPointer(values.data_ptr());
    double residual = 0.02 / Math.sqrt(2.0 * shape.layers());
    for (Slot slot : slots.values()) {
      boolean intoResidual =
          slot.name().endsWith("o_proj.weight") || slot.name().endsWith("down_proj.weight");
      double std = intoResidual ? residual : 0.02;
      for (long i = 0; i < slot.length(); i++) {
        float v = slot.shape().length == 1 ? 1f : (float) (std * random.nextGaussian());
        data.put(slot.offset() + i, v);
      }
    }
  }

  Tensor get(String name) {
    Tensor view = views.get(name);
    if (view == null) {
      throw new TrainException("the model has no parameter '" + name + "'");
    }
    return view;
  }

  SequencedMap<String, Slot> slots() {
    return slots;
  }

  Tensor values() {
    return values;
  }

  Tensor gradients() {
    return gradients;
  }

  long length() {
    return length;
  }

  /** A copy of one parameter, row-major. */
  float[] read(Slot slot) {
    float[] out = new float[Math.toIntExact(slot.length())];
    new FloatPointer(values.data_ptr()).position(slot.offset()).get(out);
    return out;
  }

  @Override
  public void close() {
    views.values().forEach(Tensor::releaseReference);
    values.releaseReference();
    gradients.releaseReference();
  }
}
