package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.ActivationQuant.Fp4Group;
import dev.octet.tensor.ActivationQuant.MxGroup;
import dev.octet.tensor.ActivationQuant.StaticInt8;
import dev.octet.tensor.DType;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a format cannot hold for a layer's values is refused when it is asked, before it is told.
 */
class ValueRefusalsTest {
  private static final int N = 32;
  private static final int K = 32;
  private static final String MODULE = "model.layers.0.mlp.gate_proj";
  private static final ActivationQuant NONE = new ActivationQuant.None();

  @TempDir private Path dir;

  @BeforeEach
  void makeSource() throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        """
        {"model_type": "llama", "hidden_size": 32, "intermediate_size": 32, "head_dim": 8,
         "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
         "vocab_size": 10, "max_position_embeddings": 64, "torch_dtype": "float16"}
        """);
  }

  /** Asked, and told where there was no refusal: nothing is told that was not asked for. */
  private void store(WriteOptions options, LinearWeights layer) {
    try (CompressedTensorsWriter writer =
        CompressedTensorsWriter.open(dir.resolve("out"), dir, options)) {
      writer.requireStorable(MODULE, layer);
      writer.add(MODULE, layer);
      writer.discard();
    }
  }

  private static WriteOptions as(WriteFormat format) {
    return WriteOptions.of(false, false, "r").as(format);
  }

  private static ScaleGrid channels(float scale, @Nullable Tensor zeros) {
    float[] scales = new float[N];
    Arrays.fill(scales, 0.01f);
    scales[3] = scale;
    return new ScaleGrid(ScaleGranularity.CHANNEL, 1, K, Tensor.ofFloats(scales, N, 1), zeros);
  }

  private static Tensor codes(DType type, long... shape) {
    return Tensor.allocate(Arena.ofAuto(), type, shape);
  }

  private static QuantizedWeight int8(float scale) {
    return new Int8Weight(codes(DType.I8, N, K), channels(scale, null));
  }

  private static Tensor bias(float third) {
    float[] bias = new float[N];
    bias[3] = third;
    return Tensor.ofFloats(bias, N);
  }

  @Test
  void aBiasOfMoreStepsThanItsIntegerHasIsNamedWithItsRow() {
    StaticInt8 input = new StaticInt8(0.5f, 0);
    assertThatCode(
            () -> store(as(WriteFormat.ASCEND), new LinearWeights(int8(1e-8f), bias(2), input)))
        .doesNotThrowAnyException();
    assertThatThrownBy(
            () -> store(as(WriteFormat.ASCEND), new LinearWeights(int8(1e-12f), bias(2), input)))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContainingAll(
            MODULE + ": row 3 has the bias 2.0",
            "no int32 quant_bias",
            "inputs with a scale a token need none",
            "formats that hold this layer: compressed-tensors");
  }

  /** Inputs that were always 0 have the smallest scale there is. */
  @Test
  void scalesWhoseProductVanishesAreNamed() {
    StaticInt8 input = new StaticInt8(Float.MIN_NORMAL, 0);
    assertThatThrownBy(
            () -> store(as(WriteFormat.ASCEND), new LinearWeights(int8(1e-9f), null, input)))
        .hasMessageContainingAll(
            MODULE + ": row 0 has the scale 0.01 with inputs of scale 1.1754944E-38",
            "is no deq_scale");
  }

  @Test
  void zeroPointsBeyondTheirCodesAreNamed() {
    Tensor zeros = codes(DType.I16, N, 1);
    zeros.setFloat(3, 8);
    LinearWeights layer =
        new LinearWeights(
            new Int4Weight(codes(DType.U8, N, K / 2), K, channels(1, zeros), null), null, NONE);
    for (WriteFormat format :
        new WriteFormat[] {
          WriteFormat.GPTQ, WriteFormat.AWQ, WriteFormat.COMPRESSED_TENSORS, WriteFormat.ASCEND
        }) {
      assertThatThrownBy(() -> store(as(format), layer))
          .hasMessageContainingAll(MODULE, "zero point 8 at index 3 is no signed 4-bit code");
    }
  }

  @Test
  void scalesThatAreNoPowersOfTwoAreNamed() {
    MxGroup inputs = new MxGroup(8);
    assertThatCode(
            () ->
                store(
                    as(WriteFormat.COMPRESSED_TENSORS),
                    new LinearWeights(fp8(0.25f), null, inputs)))
        .doesNotThrowAnyException();
    assertThatThrownBy(
            () ->
                store(
                    as(WriteFormat.COMPRESSED_TENSORS),
                    new LinearWeights(fp8(0.26f), null, inputs)))
        .hasMessageContainingAll("the scale 0.26 at index 3 is no power of two that E8M0 holds");
  }

  private static QuantizedWeight fp8(float third) {
    float[] scales = new float[N];
    Arrays.fill(scales, 0.5f);
    scales[3] = third;
    return new Fp8Weight(
        codes(DType.F8_E4M3, N, K),
        new ScaleGrid(ScaleGranularity.GROUP, 1, 32, Tensor.ofFloats(scales, N, 1), null));
  }

  @Test
  void globalScalesWithoutAReciprocalAreNamed() {
    assertThatThrownBy(
            () ->
                store(
                    as(WriteFormat.COMPRESSED_TENSORS),
                    new LinearWeights(nvfp4(1e-45), null, new Fp4Group(1))))
        .hasMessageContainingAll("weight_global_scale", "has no reciprocal in F32");
    assertThatThrownBy(
            () ->
                store(
                    as(WriteFormat.COMPRESSED_TENSORS),
                    new LinearWeights(nvfp4(1), null, new Fp4Group(Float.MIN_VALUE))))
        .hasMessageContainingAll("input_global_scale", "has no reciprocal in F32");
  }

  private static QuantizedWeight nvfp4(double global) {
    return new Fp4Weight(codes(DType.U8, N, K / 2), K, codes(DType.F8_E4M3, N, K / 16), 16, global);
  }

  @Test
  void whatIsToBecomeBlocksMustFitThem() {
    WriteOptions blocks = WriteOptions.of(false, false, "r").forGguf();
    assertThatThrownBy(() -> store(blocks, new LinearWeights(int8(0.5f), null, NONE)))
        .hasMessageContaining("the scale 0.01 at index 0, which is no F16");
    assertThatThrownBy(
            () ->
                store(blocks, new LinearWeights(int8(1), null, new ActivationQuant.DynamicInt8())))
        .hasMessageContainingAll(
            "quantizes its inputs",
            "which GGUF cannot hold; formats that hold this layer: compressed-tensors, ascend");
    assertThat(dir.resolve("out")).doesNotExist();
  }
}
