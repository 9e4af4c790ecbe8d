package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGrid;
import java.lang.foreign.ValueLayout;

/**
 * Integer weights as GGUF's blocks of 32, value for value: a block has its own F16 scale, so groups
 * of any multiple of 32 columns, whole rows and whole tensors fit where F16 holds their scales.
 *
 * <p>Symmetric INT4 is Q4_0 and INT8 is Q8_0. Asymmetric INT4 is Q4_1, {@code d·(q + 8) + m}, where
 * F16 holds every {@code m = −(z + 8)·d}; else Q5_0, whose five bits hold {@code q − z}. Asymmetric
 * INT8 is Q8_0 where {@code q − z} fits a byte.
 */
final class ExactBlocks implements BlockRows {
  private static final int SIZE = 32;
  private static final int HALF = SIZE / 2;

  private final QuantizedWeight weight;
  private final ScaleGrid grid;
  private final GgufType type;
  private final RowOrder order;

  private ExactBlocks(QuantizedWeight weight, GgufType type, RowOrder order) {
    this.weight = weight;
    this.grid = grid(weight);
    this.type = type;
    this.order = order;
  }

  /** The rows of a weight whose {@link #type} is known. */
  static BlockRows of(QuantizedWeight weight, GgufType type, RowOrder order) {
    return new ExactBlocks(weight, type, order);
  }

  private static ScaleGrid grid(QuantizedWeight weight) {
    return switch (weight) {
      case Int8Weight w -> w.grid();
      case Int4Weight w -> w.grid();
      default -> throw new IllegalArgumentException(weight.label());
    };
  }

  /**
   * The type that holds a layer as it is.
   *
   * @throws CheckpointException if there is none, naming the layer and the reason
   */
  static GgufType type(String module, LinearWeights layer) {
    if (layer.inputScale() != null) {
      throw refused(module, "has an input scale a channel");
    }
    if (layer.inputMatrix() != null) {
      throw refused(module, "turns its inputs while it runs");
    }
    if (layer.lowRank() != null) {
      throw refused(module, "has a product of low rank beside it");
    }
    if (!(layer.activation() instanceof ActivationQuant.None)) {
      throw refused(module, "quantizes its inputs (" + layer.activation().label() + ")");
    }
    QuantizedWeight weight = layer.weight();
    if (weight instanceof DenseWeight dense) {
      return GgufType.valueOf(dense.values().dtype().name());
    }
    if (!(weight instanceof Int8Weight) && !(weight instanceof Int4Weight)) {
      throw refused(module, "is " + weight.label());
    }
    if (weight.permutation() != null) {
      throw refused(module, "has columns in the order of their importance (act-order)");
    }
    return integers(module, weight);
  }

  private static GgufType integers(String module, QuantizedWeight weight) {
    ScaleGrid grid = grid(weight);
    if (weight.columns() % SIZE != 0) {
      throw refused(module, "has %d input features, no multiple of 32".formatted(weight.columns()));
    }
    if (grid.columnBlock() < weight.columns() && grid.columnBlock() % SIZE != 0) {
      throw refused(
          module, "has groups of %d columns, no multiple of 32".formatted(grid.columnBlock()));
    }
    if (grid.offsets() != null) {
      throw refused(module, "has offsets that are no zero points");
    }
    requireScales(module, grid);
    if (weight instanceof Int8Weight w) {
      requireBytes(module, w);
      return GgufType.Q8_0;
    }
    return grid.symmetric() ? GgufType.Q4_0 : minimaFit(grid) ? GgufType.Q4_1 : GgufType.Q5_0;
  }

  private static void requireScales(String module, ScaleGrid grid) {
    for (long i = 0; i < grid.scales().size(); i++) {
      float scale = grid.scales().getFloat(i);
      if (!fits(scale)) {
        throw refused(module, "has the scale %s at index %d, which is no F16".formatted(scale, i));
      }
    }
  }

  private static boolean fits(double value) {
    float single = (float) value;
    return single == value && Float.float16ToFloat(Float.floatToFloat16(single)) == single;
  }

  /** Where a block has a zero point, {@code q − z} is stored. */
  private static void requireBytes(String module, Int8Weight w) {
    if (w.grid().symmetric()) {
      return;
    }
    for (long r = 0; r < w.rows(); r++) {
      for (long c = 0; c < w.columns(); c++) {
        int shifted = code(w, r, c) - w.grid().zeroPoint(r, c);
        if (shifted < Byte.MIN_VALUE || shifted > Byte.MAX_VALUE) {
          throw refused(
              module,
              "has zero points: row %d column %d is %d steps from zero, more than a byte"
                  .formatted(r, c, shifted));
        }
      }
    }
  }

  private static boolean minimaFit(ScaleGrid grid) {
    long blocks = grid.scales().dim(1);
    for (long i = 0; i < grid.scales().size(); i++) {
      long row = i / blocks * grid.rowBlock();
      long column = i % blocks * grid.columnBlock();
      if (!fits(minimum(grid, row, column))) {
        return false;
      }
    }
    return true;
  }

  private static double minimum(ScaleGrid grid, long row, long column) {
    return -(8 + grid.zeroPoint(row, column)) * (double) grid.scale(row, column);
  }

  private static CheckpointException refused(String module, String what) {
    return new CheckpointException(module + ": " + what + ", which GGUF cannot hold");
  }

  private static int code(QuantizedWeight weight, long row, long column) {
    return weight instanceof Int4Weight w
        ? w.code(row, column)
        : ((Int8Weight) weight)
            .codes()
            .segment()
            .get(ValueLayout.JAVA_BYTE, row * weight.columns() + column);
  }

  @Override
  public long rows() {
    return weight.rows();
  }

  @Override
  public long columns() {
    return weight.columns();
  }

  @Override
  public void encode(long stored, byte[] out, int begin) {
    long row = order.model(stored);
    int[] codes = new int[SIZE];
    int at = begin;
    for (long column = 0; column < weight.columns(); column += SIZE) {
      int zero = type == GgufType.Q4_1 ? 0 : grid.zeroPoint(row, column);
      for (int j = 0; j < SIZE; j++) {
        codes[j] = code(weight, row, column + j) - zero;
      }
      Bytes.putF16(out, at, grid.scale(row, column));
      switch (type) {
        case Q8_0 -> bytes(codes, out, at + 2);
        case Q4_0 -> nibbles(codes, 8, out, at + 2);
        case Q4_1 -> {
          Bytes.putF16(out, at + 2, (float) minimum(grid, row, column));
          nibbles(codes, 8, out, at + 4);
        }
        case Q5_0 -> fiveBits(codes, out, at + 2);
        default -> throw new IllegalStateException(type.name());
      }
      at += type.blockBytes();
    }
  }

  private static void bytes(int[] codes, byte[] out, int at) {
    for (int j = 0; j < SIZE; j++) {
      out[at + j] = (byte) codes[j];
    }
  }

  private static void nibbles(int[] codes, int middle, byte[] out, int at) {
    for (int j = 0; j < HALF; j++) {
      out[at + j] = (byte) (codes[j] + middle & 0xF | (codes[HALF + j] + middle & 0xF) << 4);
    }
  }

  private static void fiveBits(int[] codes, byte[] out, int at) {
    int fifth = 0;
    for (int j = 0; j < SIZE; j++) {
      fifth |= (codes[j] + 16 >> 4 & 1) << j;
    }
    Bytes.putU32(out, at, fifth);
    nibbles(codes, 16, out, at + 4);
  }
}
