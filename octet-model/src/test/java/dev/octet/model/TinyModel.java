package dev.octet.model;

import dev.octet.checkpoint.Architecture;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.RopeScaling;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** A model of random F32 weights in memory, with every optional part switched on at will. */
final class TinyModel implements WeightSource {
  private final ModelConfig config;
  private final Map<String, Tensor> tensors = new HashMap<>();
  private @Nullable KvScales kvScales;
  private @Nullable QueryScales queryScales;
  private int calibratedLayers = 2;
  private boolean decodesOtherwise;

  /**
   * @param rich whether to have biases everywhere, QK-norm, norm biases, a window in layer 1, an
   *     untied head and heads·headDim ≠ hidden
   */
  TinyModel(boolean rich, RopeScaling scaling) {
    this.config =
        new ModelConfig(
            rich ? Architecture.QWEN3 : Architecture.LLAMA,
            37,
            24,
            20,
            2,
            4,
            2,
            rich ? 8 : 6,
            1e-5,
            10_000,
            scaling,
            1000,
            !rich,
            rich,
            rich,
            rich,
            rich,
            List.of(0, rich ? 5 : 0),
            1,
            List.of(2),
            DType.F32);
    SplittableRandom random = new SplittableRandom(11);
    int q = config.heads() * config.headDim();
    int kv = config.kvHeads() * config.headDim();
    matrix(random, "model.embed_tokens", 37, 24, false);
    for (int l = 0; l < 2; l++) {
      String p = "model.layers." + l + ".";
      norm(random, p + "input_layernorm", 24, rich);
      norm(random, p + "post_attention_layernorm", 24, rich);
      matrix(random, p + "self_attn.q_proj", q, 24, rich);
      matrix(random, p + "self_attn.k_proj", kv, 24, rich);
      matrix(random, p + "self_attn.v_proj", kv, 24, rich);
      matrix(random, p + "self_attn.o_proj", 24, q, rich);
      if (rich) {
        norm(random, p + "self_attn.q_norm", config.headDim(), false);
        norm(random, p + "self_attn.k_norm", config.headDim(), false);
      }
      matrix(random, p + "mlp.gate_proj", 20, 24, rich);
      matrix(random, p + "mlp.up_proj", 20, 24, rich);
      matrix(random, p + "mlp.down_proj", 24, 20, rich);
    }
    norm(random, "model.norm", 24, rich);
    if (rich) {
      matrix(random, "lm_head", 37, 24, false);
    }
  }

  TinyModel withKvScales(KvScales scales) {
    kvScales = scales;
    return this;
  }

  TinyModel withQueryScales(QueryScales scales) {
    queryScales = scales;
    return this;
  }

  /** Only the first layers have scales. */
  TinyModel withScalesInFirst(int layers) {
    calibratedLayers = layers;
    return this;
  }

  /** Linear layers have a form for decoding: static inputs, and biases of 0.1. */
  TinyModel withFormsForDecoding() {
    decodesOtherwise = true;
    return this;
  }

  private void matrix(SplittableRandom random, String module, int n, int k, boolean bias) {
    put(random, module + ".weight", 0, 1.5 / Math.sqrt(k), n, k);
    if (bias) {
      put(random, module + ".bias", 0, 0.3, n);
    }
  }

  private void norm(SplittableRandom random, String module, int n, boolean bias) {
    put(random, module + ".weight", 1, 0.3, n);
    if (bias) {
      put(random, module + ".bias", 0, 0.3, n);
    }
  }

  private void put(SplittableRandom random, String name, double mean, double sd, long... shape) {
    float[] values = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (mean + sd * random.nextGaussian());
    }
    tensors.put(name, Tensor.ofFloats(values, shape));
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public boolean hasTensor(String name) {
    return tensors.containsKey(name);
  }

  @Override
  public Tensor tensor(String name) {
    Tensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new CheckpointException("no tensor " + name);
    }
    return tensor;
  }

  @Override
  public LinearWeights linear(String module) {
    DenseWeight weight = new DenseWeight(tensor(module + ".weight"));
    return new LinearWeights(
        weight,
        tensors.get(module + ".bias"),
        new ActivationQuant.None(),
        null,
        decodesOtherwise ? decoding(weight) : null);
  }

  private static LinearWeights decoding(DenseWeight weight) {
    float[] bias = new float[Math.toIntExact(weight.rows())];
    Arrays.fill(bias, 0.1f);
    return new LinearWeights(
        weight, Tensor.ofFloats(bias, bias.length), new ActivationQuant.StaticInt8(0.05f, 3));
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return layer < calibratedLayers ? Optional.ofNullable(kvScales) : Optional.empty();
  }

  @Override
  public Optional<QueryScales> queryScales(int layer) {
    return layer < calibratedLayers ? Optional.ofNullable(queryScales) : Optional.empty();
  }

  /** Replaces a tensor, for damage. */
  void replace(String name, Tensor tensor) {
    tensors.put(name, tensor);
  }
}
