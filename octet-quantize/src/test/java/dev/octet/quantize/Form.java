package dev.octet.quantize;

import dev.octet.checkpoint.packing.Codes;
import dev.octet.checkpoint.packing.Columns;
import dev.octet.tensor.ActivationQuant;
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
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Layers of every kind, and the formats that can hold them. */
enum Form {
  INT4_GROUPS("compressed-tensors gptq awq ascend gguf"),
  INT4_ROWS("compressed-tensors gptq awq ascend gguf"),
  INT4_ZERO_POINTS("compressed-tensors gptq awq ascend gguf"),
  INT4_FINE_ZERO_POINTS("compressed-tensors gptq awq ascend"), // and Q5_0, which is INT8 when read
  INT4_F32_SCALES("compressed-tensors gptq awq ascend"),
  INT4_BF16_SCALES("compressed-tensors gptq awq ascend"),
  INT4_SMALL_GROUPS("compressed-tensors gptq awq ascend"),
  INT4_ACT_ORDER("compressed-tensors gptq"),
  INT4_INT8_INPUTS("compressed-tensors ascend"),
  INT8_ROWS("compressed-tensors gptq ascend gguf"),
  INT8_TENSOR("compressed-tensors gptq ascend gguf"),
  INT8_ZERO_POINTS("compressed-tensors gptq ascend"),
  INT8_DYNAMIC_INPUTS("compressed-tensors ascend"),
  INT8_STATIC_INPUTS("compressed-tensors ascend"),
  FP8_ROWS("compressed-tensors ascend"),
  FP8_TENSOR("compressed-tensors"),
  FP8_BLOCKS("compressed-tensors fp8"),
  NVFP4("compressed-tensors"),
  MXFP4("compressed-tensors");

  private static final ActivationQuant NONE = new ActivationQuant.None();

  private final String holders;

  Form(String holders) {
    this.holders = holders;
  }

  /** Formats that hold it exactly. */
  List<String> holders() {
    return List.of(holders.split(" "));
  }

  /** A layer [n, k] without bias, of random codes and scales. */
  LinearWeights layer(Random random, long n, long k) {
    return switch (this) {
      case INT4_GROUPS -> of(int4(random, n, k, 32, 11, false), NONE);
      case INT4_ROWS -> of(int4(random, n, k, k, 11, false), NONE);
      case INT4_ZERO_POINTS -> of(int4(random, n, k, 64, 7, true), NONE);
      case INT4_FINE_ZERO_POINTS -> of(int4(random, n, k, 32, 11, true), NONE);
      case INT4_F32_SCALES -> of(int4(random, n, k, 32, 24, false), NONE);
      case INT4_BF16_SCALES -> of(int4(random, n, k, 32, 8, false, 0x1p-40f), NONE);
      case INT4_SMALL_GROUPS -> of(int4(random, n, k, 16, 8, true), NONE);
      case INT4_ACT_ORDER -> {
        Int4Weight w = int4(random, n, k, 32, 8, true);
        yield of(new Int4Weight(w.packed(), k, w.grid(), order(random, (int) k, 32)), NONE);
      }
      case INT4_INT8_INPUTS ->
          of(int4(random, n, k, k, 11, false), new ActivationQuant.DynamicInt8());
      case INT8_ROWS -> of(int8(random, n, k, rows(random, n, k, 8, 11, false)), NONE);
      case INT8_TENSOR -> of(int8(random, n, k, tensor(random, n, k)), NONE);
      case INT8_ZERO_POINTS -> of(int8(random, n, k, rows(random, n, k, 8, 11, true)), NONE);
      case INT8_DYNAMIC_INPUTS ->
          of(
              int8(random, n, k, rows(random, n, k, 8, 24, false)),
              new ActivationQuant.DynamicInt8());
      case INT8_STATIC_INPUTS ->
          of(
              int8(random, n, k, rows(random, n, k, 8, 24, false)),
              new ActivationQuant.StaticInt8(0.037f, 0));
      case FP8_ROWS -> of(fp8(random, n, k, 1, k), new ActivationQuant.DynamicFp8());
      case FP8_TENSOR -> of(fp8(random, n, k, n, k), new ActivationQuant.StaticFp8(0.5f));
      case FP8_BLOCKS -> of(fp8(random, n, k, 16, 32), new ActivationQuant.DynamicFp8Block(32));
      case NVFP4 -> of(fp4(random, n, k, 16, DType.F8_E4M3, 1 / 512.0), NONE);
      case MXFP4 -> of(fp4(random, n, k, 32, DType.F8_E8M0, 1), NONE);
    };
  }

  private static LinearWeights of(QuantizedWeight weight, ActivationQuant activation) {
    return new LinearWeights(weight, null, activation);
  }

  private static Tensor integers(Random random, DType type, int low, int high, long... shape) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), type, shape);
    for (long i = 0; i < t.size(); i++) {
      t.setFloat(i, random.nextInt(low, high + 1));
    }
    return t;
  }

  /** Between 1 and 2 times {@code unit}, of so many significant bits. */
  private static Tensor scales(Random random, int bits, float unit, long... shape) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), DType.F32, shape);
    int steps = 1 << bits - 1;
    for (long i = 0; i < t.size(); i++) {
      t.setFloat(i, (1 + random.nextInt(steps) / (float) steps) * unit);
    }
    return t;
  }

  private static ScaleGrid grid(
      Random random, long n, long k, long block, int bits, int scaleBits, float unit, boolean z) {
    long[] shape = {n, ScaleGrid.blocks(k, block)};
    int half = 1 << bits - 1;
    Tensor zeros = z ? integers(random, DType.I16, -half, half - 1, shape) : null;
    return new ScaleGrid(
        block < k ? ScaleGranularity.GROUP : ScaleGranularity.CHANNEL,
        1,
        block,
        scales(random, scaleBits, unit, shape),
        zeros);
  }

  private static ScaleGrid rows(Random random, long n, long k, int bits, int scaleBits, boolean z) {
    return grid(random, n, k, k, bits, scaleBits, 0x1p-6f, z);
  }

  private static ScaleGrid tensor(Random random, long n, long k) {
    return new ScaleGrid(
        ScaleGranularity.TENSOR, n, k, scales(random, 11, 0x1p-6f, 1, 1), (Tensor) null);
  }

  private static Int4Weight int4(
      Random random, long n, long k, long group, int scaleBits, boolean zeros) {
    return int4(random, n, k, group, scaleBits, zeros, 0x1p-4f);
  }

  private static Int4Weight int4(
      Random random, long n, long k, long group, int scaleBits, boolean zeros, float unit) {
    Tensor nibbles = Codes.nibbles(integers(random, DType.I8, -8, 7, n, k));
    return new Int4Weight(nibbles, k, grid(random, n, k, group, 4, scaleBits, unit, zeros), null);
  }

  private static Int8Weight int8(Random random, long n, long k, ScaleGrid grid) {
    return new Int8Weight(integers(random, DType.I8, -128, 127, n, k), grid);
  }

  private static Fp8Weight fp8(Random random, long n, long k, long height, long width) {
    Tensor codes = scales(random, 4, 1, n, k).to(DType.F8_E4M3, Arena.ofAuto());
    boolean all = height == n && width == k;
    Tensor s = scales(random, 24, 1, ScaleGrid.blocks(n, height), ScaleGrid.blocks(k, width));
    ScaleGranularity granularity =
        all
            ? ScaleGranularity.TENSOR
            : height == 1 ? ScaleGranularity.CHANNEL : ScaleGranularity.BLOCK;
    return new Fp8Weight(codes, new ScaleGrid(granularity, height, width, s, null));
  }

  private static Fp4Weight fp4(
      Random random, long n, long k, int group, DType scaleType, double global) {
    Tensor packed = integers(random, DType.U8, 0, 255, n, k / 2);
    Tensor scales = integers(random, DType.U8, 100, 120, n, k / group);
    return new Fp4Weight(
        packed, k, Tensor.of(scaleType, scales.segment(), scales.shape()), group, global);
  }

  private static @Nullable Tensor order(Random random, int k, int group) {
    int[] index = new int[k];
    for (int i = 0; i < k; i++) {
      index[i] = i / group;
    }
    for (int i = k - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swapped = index[i];
      index[i] = index[j];
      index[j] = swapped;
    }
    return Columns.of(index, k / group, group).order();
  }
}
