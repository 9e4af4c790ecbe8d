package dev.octet.kernels.linear;

import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.ScaleSign;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Random weights of every form, codes over the whole range. */
final class Weights {
  private Weights() {}

  private static ActivationQuant clipped(ActivationQuant inner) {
    return new ActivationQuant.Clipped(inner, 0.8f);
  }

  static Map<String, LinearWeights> all(int n, int k, Random random) {
    Map<String, LinearWeights> all = new LinkedHashMap<>();
    ActivationQuant none = new ActivationQuant.None();
    ActivationQuant dynamic = new ActivationQuant.DynamicInt8();
    ActivationQuant offset = new ActivationQuant.StaticInt8(0.02f, -7);
    for (DType type : new DType[] {DType.F32, DType.BF16, DType.F16}) {
      all.put(type.label(), with(dense(type, n, k, random), none, null));
    }
    all.put("bf16 biased", with(dense(DType.BF16, n, k, random), none, bias(n, random)));
    all.put("w8a8 channel", with(int8(n, k, k, false, random), dynamic, bias(n, random)));
    all.put("w8a8 channel asym", with(int8(n, k, k, true, random), dynamic, null));
    all.put("w8a8 static", with(int8(n, k, k, false, random), offset, null));
    all.put("w8a8 g32", with(int8(n, k, 32, true, random), dynamic, null));
    all.put("w8a16", with(int8(n, k, k, false, random), none, null));
    all.put("w8a16 g48 asym", with(int8(n, k, 48, true, random), none, null));
    all.put("w4a16 g32", with(int4(n, k, 32, false, false, random), none, null));
    all.put("w4a16 g128 asym", with(int4(n, k, 128, true, false, random), none, null));
    all.put("w4a16 g20 asym", with(int4(n, k, 20, true, false, random), none, null));
    all.put("w4a16 act-order", with(int4(n, k, 16, true, true, random), none, bias(n, random)));
    all.put("w4a16 channel", with(int4(n, k, k, true, false, random), none, null));
    all.put("w4a8 channel", with(int4(n, k, k, false, true, random), dynamic, null));
    all.put("w4a8 g128", with(int4(n, k, 128, false, false, random), dynamic, bias(n, random)));
    all.put("w4a8 g64", with(int4(n, k, 64, true, true, random), dynamic, null));
    ActivationQuant four = new ActivationQuant.DynamicInt4();
    all.put("w4a4 channel", with(int4(n, k, k, false, false, random), four, bias(n, random)));
    all.put("w4a4 g32", with(int4(n, k, 32, true, false, random), four, null));
    ActivationQuant ascend = new ActivationQuant.DynamicInt4(ActivationQuant.DynamicInt4.CODES);
    all.put("w4a4 ascend", with(int4(n, k, 32, false, false, random), ascend, bias(n, random)));
    all.put(
        "w4a4 clipped",
        with(int4(n, k, k, false, false, random), clipped(ascend), bias(n, random)));
    all.put("w8a8 clipped", with(int8(n, k, 24, true, random), clipped(dynamic), null));
    all.put("w8a8 static clipped", with(int8(n, k, k, false, random), clipped(offset), null));
    all.put("w8a16 clipped", with(int8(n, k, k, false, random), clipped(none), null));
    all.put(
        "mxfp4 clipped",
        with(
            fp4(DType.F8_E8M0, n, k, 32, random),
            clipped(new ActivationQuant.MxGroup(4)),
            bias(n, random)));
    all.put("w8a4", with(int8(n, k, k, false, random), four, null));
    all.put("w8a16 act-order", with(int8(n, k, 16, true, true, random), none, null));
    all.put("w8a8 act-order", with(int8(n, k, 24, false, true, random), dynamic, null));
    all.put("nvfp4", with(fp4(DType.F8_E4M3, n, k, 16, random), none, null));
    all.put(
        "nvfp4 inputs",
        with(fp4(DType.F8_E4M3, n, k, 16, random), new ActivationQuant.Fp4Group(0.002f), null));
    all.put(
        "mxfp8 inputs",
        with(fp8(DType.F8_E4M3, n, k, 1, 32, random), new ActivationQuant.MxGroup(8), null));
    all.put("mxfp4", with(fp4(DType.F8_E8M0, n, k, 32, random), none, bias(n, random)));
    all.put(
        "mxfp4 inputs",
        with(fp4(DType.F8_E8M0, n, k, 32, random), new ActivationQuant.MxGroup(4), null));
    all.put(
        "mxfp4 with mxfp8 inputs",
        with(
            fp4(DType.F8_E8M0, n, k, 32, random),
            new ActivationQuant.MxGroup(8, false, 0),
            bias(n, random)));
    all.put(
        "mxfp4 under coarse scales",
        with(fp4(DType.F32, n, k, 32, random), new ActivationQuant.MxGroup(4, true, 64), null));
    all.put(
        "int4 with fp8 inputs",
        with(int4(n, k, 32, true, true, random), new ActivationQuant.DynamicFp8(), null));
    all.put(
        "int8 with fp8 inputs",
        with(int8(n, k, k, false, random), new ActivationQuant.DynamicFp8(), bias(n, random)));
    all.put(
        "int8 with asymmetric inputs",
        with(int8(n, k, 24, true, random), new ActivationQuant.AsymmetricInt8(), null));
    all.put("fp4 g20", with(fp4(DType.F32, n, k, 20, random), none, null));
    all.put(
        "fp4 dynamic",
        with(fp4(DType.F32, n, k, k, random), new ActivationQuant.DynamicFp8(), null));
    all.put(
        "int4 behind scales",
        new LinearWeights(int4(n, k, 32, false, false, random), null, none, gaussian(random, k)));
    all.put("gguf q8_0", with(signed(int8(n, k, 32, false, false, random), random), none, null));
    all.put("gguf q6_k", with(signed(int8(n, k, 16, false, false, random), random), dynamic, null));
    all.put(
        "gguf q5_k",
        with(offset(int8(n, k, 32, false, false, random), random), none, bias(n, random)));
    all.put(
        "gguf q5_1 a8", with(offset(int8(n, k, 32, false, false, random), random), dynamic, null));
    all.put("gguf q4_0", with(signed(int4(n, k, 32, false, false, random), random), none, null));
    all.put(
        "gguf q4_0 a8", with(signed(int4(n, k, 32, false, false, random), random), dynamic, null));
    all.put("gguf q4_k", with(offset(int4(n, k, 32, false, false, random), random), none, null));
    all.put(
        "gguf q4_k a8",
        with(offset(int4(n, k, 32, false, false, random), random), dynamic, bias(n, random)));
    all.put("gguf q2_k", with(offset(int4(n, k, 16, false, false, random), random), none, null));
    all.put(
        "offsets of a row",
        with(offset(int4(n, k, k, true, false, random), random), dynamic, null));
    all.put(
        "offsets in another order",
        with(offset(int4(n, k, 16, true, true, random), random), none, null));
    all.put(
        "offsets in another order, a8",
        with(offset(int4(n, k, 24, true, true, random), random), dynamic, null));
    all.put(
        "offsets of int8 in another order",
        with(offset(int8(n, k, 16, true, true, random), random), none, bias(n, random)));
    all.put(
        "offsets and static activations",
        with(offset(int8(n, k, 48, true, false, random), random), offset, null));
    for (DType type : new DType[] {DType.F8_E4M3, DType.F8_E5M2}) {
      String name = type.label();
      all.put(name + " channel", with(fp8(type, n, k, 1, k, random), none, null));
      all.put(
          name + " dynamic",
          with(fp8(type, n, k, 1, k, random), new ActivationQuant.DynamicFp8(), null));
      all.put(
          name + " bounded",
          with(fp8(type, n, k, 1, k, random), new ActivationQuant.DynamicFp8(0.7f), null));
      all.put(
          name + " static",
          with(fp8(type, n, k, n, k, random), new ActivationQuant.StaticFp8(0.01f), null));
      all.put(
          name + " block",
          with(fp8(type, n, k, 24, 40, random), new ActivationQuant.DynamicFp8Block(40), null));
    }
    return all;
  }

  private static LinearWeights with(QuantizedWeight w, ActivationQuant a, @Nullable Tensor bias) {
    return new LinearWeights(w, bias, a);
  }

  private static Tensor bias(int n, Random random) {
    return gaussian(random, n);
  }

  static Tensor gaussian(Random random, long... shape) {
    int size = 1;
    for (long d : shape) {
      size *= (int) d;
    }
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.ofFloats(values, shape);
  }

  private static DenseWeight dense(DType type, int n, int k, Random random) {
    return new DenseWeight(gaussian(random, n, k).to(type, Arena.ofAuto()));
  }

  private static Tensor bytes(DType type, int n, int k, Random random) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), type, n, k);
    for (long i = 0; i < t.size(); i++) {
      t.segment().set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt(256));
    }
    return t;
  }

  private static ScaleGrid grid(
      int n, int k, int rowBlock, int columnBlock, int zeroRange, Random random) {
    ScaleGranularity granularity;
    if (rowBlock == 1) {
      granularity = columnBlock < k ? ScaleGranularity.GROUP : ScaleGranularity.CHANNEL;
    } else {
      boolean one = rowBlock >= n && columnBlock >= k;
      granularity = one ? ScaleGranularity.TENSOR : ScaleGranularity.BLOCK;
    }
    long sn = ScaleGrid.blocks(n, rowBlock);
    long sk = ScaleGrid.blocks(k, columnBlock);
    Tensor scales = Tensor.allocate(Arena.ofAuto(), DType.F32, sn, sk);
    Tensor zeros = zeroRange == 0 ? null : Tensor.allocate(Arena.ofAuto(), DType.I16, sn, sk);
    for (long i = 0; i < scales.size(); i++) {
      scales.setFloat(i, 0.001f + random.nextFloat() * 0.1f);
      if (zeros != null) {
        zeros.setFloat(i, random.nextInt(2 * zeroRange + 1) - zeroRange);
      }
    }
    return new ScaleGrid(granularity, rowBlock, columnBlock, scales, zeros);
  }

  /** The same weight with scales of any sign, some of them zero. */
  private static QuantizedWeight signed(QuantizedWeight weight, Random random) {
    return regrid(weight, random, false);
  }

  /** The same with one zero point for all blocks, and an offset a block. */
  private static QuantizedWeight offset(QuantizedWeight weight, Random random) {
    return regrid(weight, random, true);
  }

  /** What is added to every input's weight after its scale. */
  static float[] offsets(QuantizedWeight weight, int row) {
    float[] offsets = new float[(int) weight.columns()];
    ScaleGrid grid =
        switch (weight) {
          case Int8Weight w -> w.grid();
          case Int4Weight w -> w.grid();
          default -> null;
        };
    if (grid == null || grid.offsets() == null) {
      return offsets;
    }
    Tensor order = weight.permutation();
    for (int j = 0; j < offsets.length; j++) {
      offsets[order == null ? j : (int) order.getLong(j)] = grid.offset(row, j);
    }
    return offsets;
  }

  private static QuantizedWeight regrid(QuantizedWeight weight, Random random, boolean offset) {
    return switch (weight) {
      case Int8Weight w ->
          new Int8Weight(w.codes(), anySign(w.grid(), random, offset, -3), w.permutation());
      case Int4Weight w ->
          new Int4Weight(
              w.packed(), w.columns(), anySign(w.grid(), random, offset, -8), w.permutation());
      default -> throw new IllegalArgumentException(weight.label());
    };
  }

  private static ScaleGrid anySign(ScaleGrid grid, Random random, boolean offset, int shared) {
    Tensor scales = Tensor.ofFloats(grid.scales().toFloats(), grid.scales().shape());
    Tensor offsets = Tensor.allocate(Arena.ofAuto(), DType.F32, grid.scales().shape());
    for (long i = 0; i < scales.size(); i++) {
      float sign = random.nextInt(16) == 0 ? 0 : random.nextInt(3) == 0 ? -1 : 1;
      offsets.setFloat(i, -random.nextInt(16) * scales.getFloat(i));
      scales.setFloat(i, sign * scales.getFloat(i));
    }
    Tensor zeros = grid.zeroPoints();
    if (offset && zeros == null) {
      zeros = Tensor.allocate(Arena.ofAuto(), DType.I16, 1, 1);
      zeros.setFloat(0, shared);
    }
    return new ScaleGrid(
        grid.granularity(),
        grid.rowBlock(),
        grid.columnBlock(),
        scales,
        zeros,
        ScaleSign.ANY,
        offset ? offsets : null);
  }

  private static Int8Weight int8(int n, int k, int group, boolean asymmetric, Random random) {
    return int8(n, k, group, asymmetric, false, random);
  }

  private static Int8Weight int8(
      int n, int k, int group, boolean asymmetric, boolean permuted, Random random) {
    ScaleGrid grid = grid(n, k, 1, group, asymmetric ? 127 : 0, random);
    Tensor permutation = permuted ? permutation(k, random) : null;
    return new Int8Weight(bytes(DType.I8, n, k, random), grid, permutation);
  }

  private static Tensor permutation(int k, Random random) {
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < k; i++) {
      order.add(i);
    }
    Collections.shuffle(order, random);
    Tensor permutation = Tensor.allocate(Arena.ofAuto(), DType.I32, k);
    for (int i = 0; i < k; i++) {
      permutation.setFloat(i, order.get(i));
    }
    return permutation;
  }

  private static Fp4Weight fp4(DType scaleType, int n, int k, int group, Random random) {
    Tensor scales = Tensor.allocate(Arena.ofAuto(), scaleType, n, ScaleGrid.blocks(k, group));
    for (long i = 0; i < scales.size(); i++) {
      if (scaleType == DType.F8_E8M0) {
        scales.segment().set(ValueLayout.JAVA_BYTE, i, (byte) (120 + random.nextInt(8)));
      } else {
        scales.setFloat(i, random.nextInt(9) == 0 ? 0 : 1 + random.nextInt(400));
      }
    }
    double global = scaleType == DType.F8_E8M0 ? 1 : 1 / 1024.0;
    return new Fp4Weight(bytes(DType.U8, n, (k + 1) / 2, random), k, scales, group, global);
  }

  private static Int4Weight int4(
      int n, int k, int group, boolean asymmetric, boolean permuted, Random random) {
    Tensor permutation = permuted ? permutation(k, random) : null;
    Tensor packed = bytes(DType.U8, n, (k + 1) / 2, random);
    return new Int4Weight(packed, k, grid(n, k, 1, group, asymmetric ? 8 : 0, random), permutation);
  }

  private static Fp8Weight fp8(
      DType type, int n, int k, int rowBlock, int columnBlock, Random random) {
    Tensor codes = gaussian(random, n, k).to(type, Arena.ofAuto());
    return new Fp8Weight(codes, grid(n, k, rowBlock, columnBlock, 0, random));
  }

  /** A layer whose weight (row, column) is NaN. */
  static LinearWeights withNan(DType type, int n, int k, int row, int column, Random random) {
    ActivationQuant none = new ActivationQuant.None();
    if (type == DType.F8_E4M3 || type == DType.F8_E5M2) {
      Fp8Weight weight = fp8(type, n, k, 1, k, random);
      weight.codes().setFloat((long) row * k + column, Float.NaN);
      return with(weight, none, null);
    }
    DenseWeight weight = dense(type, n, k, random);
    weight.values().setFloat((long) row * k + column, Float.NaN);
    return with(weight, none, null);
  }

  /** The same layer with its codes one byte behind an aligned address, as in a mapped file. */
  static LinearWeights misaligned(LinearWeights weights) {
    QuantizedWeight moved =
        switch (weights.weight()) {
          case DenseWeight w -> new DenseWeight(moved(w.values()));
          case Int8Weight w -> new Int8Weight(moved(w.codes()), w.grid(), w.permutation());
          case Int4Weight w ->
              new Int4Weight(moved(w.packed()), w.columns(), w.grid(), w.permutation());
          case Fp8Weight w -> new Fp8Weight(moved(w.codes()), w.grid());
          case Fp4Weight w ->
              new Fp4Weight(moved(w.packed()), w.columns(), w.scales(), w.group(), w.global());
        };
    return new LinearWeights(moved, weights.bias(), weights.activation(), weights.inputScale());
  }

  private static Tensor moved(Tensor tensor) {
    long size = tensor.byteSize();
    var segment = Arena.ofAuto().allocate(size + 1, 64).asSlice(1, size);
    segment.copyFrom(tensor.segment());
    return Tensor.of(tensor.dtype(), segment, tensor.shape());
  }
}
