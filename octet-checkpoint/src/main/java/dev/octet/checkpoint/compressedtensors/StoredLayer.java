package dev.octet.checkpoint.compressedtensors;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.octet.checkpoint.packing.Codes;
import dev.octet.checkpoint.packing.Columns;
import dev.octet.checkpoint.packing.Packing;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.ActivationQuant.MxGroup;
import dev.octet.tensor.Codecs;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.InputMatrix.Hadamard;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer as compressed-tensors stores it: the inverse of {@link Layer}.
 *
 * <p>Integer weights without activation quantization are {@code pack-quantized}; with it, codes
 * take a byte each ({@code int-quantized}), whatever their width. Scales are stored in the model's
 * own type if every one of them is exact in it, else as F32.
 */
public final class StoredLayer {
  private final String module;
  private final LinearWeights layer;
  private final DType modelType;
  private final SortedMap<String, Tensor> tensors = new TreeMap<>();

  private StoredLayer(String module, LinearWeights layer, DType modelType) {
    this.module = module;
    this.layer = layer;
    this.modelType = modelType;
  }

  /** The tensors by their full names. */
  public static SortedMap<String, Tensor> tensors(
      String module, LinearWeights layer, DType modelType) {
    StoredLayer stored = new StoredLayer(module, layer, modelType);
    stored.weight(layer.weight());
    Tensor bias = layer.bias();
    if (bias != null) {
      stored.put("bias", stored.narrowest(bias));
    }
    stored.activation(layer.activation());
    if (layer.inputMatrix() instanceof Hadamard(int order)) {
      stored.put(InputTransforms.TENSOR, InputTransforms.matrix(order, modelType));
    }
    return stored.tensors;
  }

  private void put(String suffix, Tensor tensor) {
    tensors.put(module + "." + suffix, tensor);
  }

  private void weight(QuantizedWeight weight) {
    boolean packed = !layer.activation().quantizes();
    switch (weight) {
      case DenseWeight(Tensor values) -> put("weight", values);
      case Fp8Weight(Tensor codes, ScaleGrid grid) -> {
        put("weight", codes);
        if (layer.activation() instanceof MxGroup) {
          put("weight_scale", exponents(grid));
        } else {
          grid(grid, 8, false);
        }
      }
      case Int8Weight w -> {
        Tensor codes = Columns.scattered(w.codes(), w.permutation());
        if (packed) {
          packed(Packing.packBytes(codes), weight);
        } else {
          put("weight", codes);
        }
        groups(w.permutation(), w.grid());
        grid(w.grid(), 8, packed);
      }
      case Int4Weight w -> {
        int4(w, packed);
        groups(w.permutation(), w.grid());
        grid(w.grid(), 4, packed);
      }
      case Fp4Weight w -> fp4(w);
    }
  }

  private void packed(Tensor words, QuantizedWeight weight) {
    put("weight_packed", words);
    Tensor shape = Tensor.allocate(Arena.ofAuto(), DType.I64, 2);
    shape.segment().set(JAVA_LONG_UNALIGNED, 0, weight.rows());
    shape.segment().set(JAVA_LONG_UNALIGNED, 8, weight.columns());
    put("weight_shape", shape);
  }

  /** With a permutation, columns go back to their own places and their groups are listed. */
  private void int4(Int4Weight w, boolean packed) {
    Tensor order = w.permutation();
    if (packed && order == null) {
      packed(Packing.packNibbles(w.packed(), w.columns()), w);
      return;
    }
    Tensor codes = Columns.scattered(Packing.spread(w.packed(), w.columns()), order);
    if (packed) {
      packed(Packing.packCodes(codes, 4), w);
    } else {
      put("weight", codes);
    }
  }

  /** The group of every column, where groups are not stretches of columns. */
  private void groups(@Nullable Tensor order, ScaleGrid grid) {
    if (order != null) {
      put("weight_g_idx", Columns.groups(order, grid.columnBlock()));
    }
  }

  /** U8 codes as they are; NVFP4's global scale is stored as a divisor. */
  private void fp4(Fp4Weight w) {
    put("weight_packed", w.packed());
    if (w.scales().dtype() == DType.F8_E4M3) {
      put("weight_scale", w.scales());
      put("weight_global_scale", Tensor.ofFloats(new float[] {(float) (1 / w.global())}, 1));
    } else {
      put("weight_scale", Tensor.of(DType.U8, w.scales().segment(), w.scales().shape()));
    }
  }

  /** Scales that are powers of two as E8M0 in U8. */
  private static Tensor exponents(ScaleGrid grid) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.U8, grid.scales().shape());
    for (long i = 0; i < out.size(); i++) {
      out.setFloat(i, exponent(grid.scales().getFloat(i)));
    }
    return out;
  }

  /** The code of a scale in E8M0; -1 if it has none. */
  static int exponent(float scale) {
    int exponent = Math.getExponent((double) scale) + 127;
    boolean held = exponent >= 0 && exponent <= 254 && Codecs.e8m0ToFloat(exponent) == scale;
    return held ? exponent : -1;
  }

  private void grid(ScaleGrid grid, int bits, boolean packed) {
    Tensor scales = narrowest(grid.scales());
    put("weight_scale", scales.size() == 1 ? scales.reshape(tensorShape(grid)) : scales);
    if (grid.zeroPoints() != null) {
      Tensor zeros = Codes.signed(Codes.zeros(grid, bits), bits);
      put("weight_zero_point", packed ? Packing.packZeroPoints(zeros, bits) : zeros);
    }
  }

  private static long[] tensorShape(ScaleGrid grid) {
    return switch (grid.granularity()) {
      case TENSOR -> new long[] {1};
      case CHANNEL, GROUP, BLOCK -> grid.scales().shape();
    };
  }

  private void activation(ActivationQuant activation) {
    switch (activation) {
      case ActivationQuant.StaticInt8(float scale, int offset) -> {
        put("input_scale", narrowest(Tensor.ofFloats(new float[] {scale}, 1)));
        if (offset != 0) {
          Tensor zero = Tensor.allocate(Arena.ofAuto(), DType.I8, 1);
          zero.setFloat(0, offset);
          put("input_zero_point", zero);
        }
      }
      case ActivationQuant.StaticFp8(float scale) ->
          put("input_scale", narrowest(Tensor.ofFloats(new float[] {scale}, 1)));
      case ActivationQuant.Fp4Group(float scale) ->
          put("input_global_scale", Tensor.ofFloats(new float[] {divisor(scale)}, 1));
      case ActivationQuant.None _,
          ActivationQuant.DynamicInt8 _,
          ActivationQuant.AsymmetricInt8 _,
          ActivationQuant.DynamicInt4 _,
          ActivationQuant.DynamicFp8 _,
          ActivationQuant.DynamicFp8Block _,
          MxGroup _ -> {}
      case ActivationQuant.Clipped c -> throw new IllegalArgumentException(c.label());
    }
  }

  /** The number that {@code scale} is the reciprocal of, to the bit where there is one. */
  private static float divisor(float scale) {
    float divisor = 1 / scale;
    for (float near : new float[] {divisor, Math.nextUp(divisor), Math.nextDown(divisor)}) {
      if (1 / near == scale) {
        return near;
      }
    }
    return divisor;
  }

  /** The values in the model's type if that loses nothing, else as they are. */
  private Tensor narrowest(Tensor values) {
    if (modelType == DType.F32 || values.dtype() != DType.F32) {
      return values;
    }
    Tensor narrow = values.to(modelType, Arena.ofAuto());
    long n = values.size();
    for (long i = 0; i < n; i++) {
      if (narrow.getFloat(i) != values.getFloat(i)) {
        return values;
      }
    }
    return narrow;
  }
}
