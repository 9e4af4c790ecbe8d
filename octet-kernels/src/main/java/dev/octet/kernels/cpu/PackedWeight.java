package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.octet.kernels.WorkPool;
import dev.octet.tensor.ActivationQuant.DynamicInt4;
import dev.octet.tensor.ActivationQuant.DynamicInt8;
import dev.octet.tensor.ActivationQuant.None;
import dev.octet.tensor.ActivationQuant.StaticInt8;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A weight in the panels of {@code linear.h}, with everything else its kernels read.
 *
 * @param form layout of the panels
 * @param n outputs
 * @param k inputs of the model
 * @param block inputs of the model that share a scale
 * @param padded the same in the panels, padded to whole steps
 * @param offsets F32 [panels][blocks][16], what is added to the weights of a block; null: 0
 * @param order I32 [k]: which input is multiplied with stored column j; null: j
 * @param struct {@code octet_linear}
 * @param parts what the struct points to, kept alive
 */
record PackedWeight(
    Form form,
    int n,
    int k,
    int block,
    int padded,
    @Nullable MemorySegment offsets,
    @Nullable MemorySegment order,
    MemorySegment struct,
    MemorySegment[] parts) {

  /** Outputs of a panel. */
  static final int PANEL = 16;

  /** Most inputs whose integer products are summed in int32, an offset included. */
  private static final int MOST_INPUTS = 32768;

  private static final long ALIGNMENT = 64;

  /** Where {@code octet_linear} has its form, and its zero after it. */
  private static final long FORM_AT = 8 * 8;

  private static final long ZERO_AT = FORM_AT + 4;

  /** Codes of a weight with its grid; dense weights have none. */
  private record Source(Tensor codes, @Nullable ScaleGrid grid) {
    static Source of(QuantizedWeight weight) {
      return switch (weight) {
        case DenseWeight w -> new Source(w.values(), null);
        case Int8Weight w -> new Source(w.codes(), w.grid());
        case Fp8Weight w -> new Source(w.codes(), w.grid());
        case Int4Weight w -> new Source(w.packed(), w.grid());
        case Fp4Weight w -> new Source(w.packed(), null);
      };
    }
  }

  /** A weight's scale by row and column. */
  private interface ScaleOf {
    float at(long row, long column);
  }

  /** The scales of a weight that has any. */
  private static @Nullable ScaleOf scales(QuantizedWeight weight) {
    if (weight instanceof Fp4Weight w) {
      return w::scale;
    }
    ScaleGrid grid = Source.of(weight).grid();
    return grid == null ? null : grid::scale;
  }

  /** Columns that share a scale; {@code k} where all do. */
  private static int block(QuantizedWeight weight, int k) {
    if (weight instanceof Fp4Weight w) {
      return Math.min(k, w.group());
    }
    ScaleGrid grid = Source.of(weight).grid();
    return grid == null ? k : (int) Math.min(k, grid.columnBlock());
  }

  /** Whether the kernels take this weight; no known format writes one that they do not. */
  static boolean suits(LinearWeights weights) {
    ScaleGrid grid = Source.of(weights.weight()).grid();
    long k = weights.weight().columns();
    if (weights.weight().rows() == 0 || k == 0) {
      return false;
    }
    if (grid == null) {
      return true;
    }
    if (grid.offsets() != null && !offsetsSuit(weights)) {
      return false;
    }
    Tensor zeros = grid.zeroPoints();
    Form form = Form.of(weights.weight());
    for (long i = 0; zeros != null && i < zeros.size(); i++) {
      long zero = zeros.getLong(i) + form.flip();
      if (zero < 0 || zero > form.highestZero()) {
        return false;
      }
    }
    return grid.columnBlock() <= MOST_INPUTS || grid.columnBlock() >= k;
  }

  /** Offsets need the sums of inputs as they are stored, quantized to integers or not at all. */
  private static boolean offsetsSuit(LinearWeights weights) {
    return switch (weights.activation()) {
      case None _, DynamicInt8 _, DynamicInt4 _ -> true;
      case StaticInt8 s -> s.offset() == 0;
      default -> false;
    };
  }

  /** Packs a weight that {@link #suits}; the source is not needed afterwards. */
  static PackedWeight of(LinearWeights weights, LinearCalls calls, WorkPool pool, Arena arena) {
    Form form = Form.of(weights.weight());
    Source source = Source.of(weights.weight());
    int n = Math.toIntExact(weights.weight().rows());
    int k = Math.toIntExact(weights.weight().columns());
    ScaleGrid grid = source.grid();
    int block = block(weights.weight(), k);
    if (form.integer() && block > MOST_INPUTS) {
      block = MOST_INPUTS;
    }
    int padded = Math.ceilDiv(block, form.step()) * form.step();
    int blocks = Math.ceilDiv(k, block);
    long inputs = (long) blocks * padded;
    int panels = Math.ceilDiv(n, PANEL);

    MemorySegment codes = HugePages.allocate(panels * inputs * PANEL * form.bits() / 8, arena);
    calls.pack(form, n, k, block, padded, NativeMemory.of(source.codes()), codes, pool);
    Blocks shape = new Blocks(n, k, block, blocks, panels);
    ScaleOf scaleOf = scales(weights.weight());
    MemorySegment scales = scaleOf == null ? MemorySegment.NULL : shape.scales(scaleOf, arena);
    MemorySegment zeros =
        grid == null || grid.sharesZeroPoint()
            ? MemorySegment.NULL
            : shape.zeros(grid, form.flip(), arena);
    int zero = form.flip() + (grid == null ? 0 : grid.zeroPoint(0, 0));
    MemorySegment offsets =
        grid == null || grid.offsets() == null ? null : shape.offsets(grid, arena);
    Correction correction =
        grid != null && form.integer() && weights.activation().unclipped() instanceof StaticInt8 s
            ? Correction.of(weights.weight(), grid, s, shape, arena)
            : Correction.none();
    MemorySegment bias = correction.bias(weights.bias(), shape, arena);

    MemorySegment struct = arena.allocate(LinearCalls.LINEAR_BYTES, 8);
    long[] longs = {n, inputs, padded};
    MemorySegment[] pointers = {codes, scales, zeros, bias, correction.sums()};
    for (int i = 0; i < longs.length; i++) {
      struct.setAtIndex(JAVA_LONG, i, longs[i]);
    }
    for (int i = 0; i < pointers.length; i++) {
      struct.setAtIndex(JAVA_LONG, longs.length + i, pointers[i].address());
    }
    struct.set(JAVA_INT, FORM_AT, form.code());
    struct.set(JAVA_INT, ZERO_AT, zero);
    Tensor permutation = weights.weight().permutation();
    MemorySegment order =
        permutation == null ? null : NativeMemory.of(permutation.contiguous(arena));
    return new PackedWeight(form, n, k, block, padded, offsets, order, struct, pointers);
  }

  /** The panels. */
  MemorySegment codes() {
    return parts[0];
  }

  boolean hasScales() {
    return scales().byteSize() != 0;
  }

  /** F32 [panels][blocks][16], or NULL. */
  MemorySegment scales() {
    return parts[1];
  }

  /** What integers are measured from, U8 [panels][blocks][16]; NULL: {@link #zero} for all. */
  MemorySegment zeros() {
    return parts[2];
  }

  /** What all integers are measured from where there is one number for all. */
  int zero() {
    return struct.get(JAVA_INT, ZERO_AT);
  }

  /** Inputs in the panels. */
  int inputs() {
    return Math.multiplyExact(blocks(), padded);
  }

  /** Blocks of inputs. */
  int blocks() {
    return Math.ceilDiv(k, block);
  }

  /** Panels of outputs. */
  int panels() {
    return Math.ceilDiv(n, PANEL);
  }

  /** Whether x must be reordered or padded before it meets the panels. */
  boolean arranges() {
    return order != null || inputs() != k;
  }

  /** Bytes of the panels' codes. */
  long codeBytes() {
    return (long) panels() * inputs() * PANEL * form.bits() / 8;
  }

  /** Whether x is ordered, padded and summed alike for both. */
  boolean readsLike(PackedWeight other) {
    return form == other.form
        && k == other.k
        && block == other.block
        && padded == other.padded
        && (offsets == null) == (other.offsets == null)
        && order == null
        && other.order == null;
  }

  /** Scales, zero points and offsets in the order of the panels: [panels][blocks][16]. */
  private record Blocks(int n, int k, int block, int blocks, int panels) {
    MemorySegment scales(ScaleOf scale, Arena arena) {
      return floats(scale, arena);
    }

    MemorySegment offsets(ScaleGrid grid, Arena arena) {
      return floats(grid::offset, arena);
    }

    private MemorySegment floats(ScaleOf value, Arena arena) {
      MemorySegment out = arena.allocate(4L * panels * blocks * PANEL, ALIGNMENT);
      for (int row = 0; row < n; row++) {
        for (int b = 0; b < blocks; b++) {
          out.setAtIndex(JAVA_FLOAT, index(row, b), value.at(row, (long) b * block));
        }
      }
      return out;
    }

    MemorySegment zeros(ScaleGrid grid, int flip, Arena arena) {
      MemorySegment out = arena.allocate((long) panels * blocks * PANEL, ALIGNMENT);
      for (int row = 0; row < n; row++) {
        for (int b = 0; b < blocks; b++) {
          int zero = grid.zeroPoint(row, (long) b * block) + flip;
          out.set(JAVA_BYTE, index(row, b), (byte) zero);
        }
      }
      return out;
    }

    private long index(int row, int b) {
      return ((long) (row / PANEL) * blocks + b) * PANEL + row % PANEL;
    }
  }

  /**
   * What a static offset of the activations subtracts: {@code offset·Σ(q - z)} a row, exact where a
   * row has one scale; otherwise scaled, as part of the bias.
   */
  private record Correction(MemorySegment sums, double @Nullable [] biases) {
    static Correction none() {
      return new Correction(MemorySegment.NULL, null);
    }

    static Correction of(
        QuantizedWeight weight, ScaleGrid grid, StaticInt8 input, Blocks shape, Arena arena) {
      if (input.offset() == 0) {
        return none();
      }
      boolean whole = shape.blocks() == 1;
      MemorySegment sums =
          whole ? arena.allocate(4L * shape.panels() * PANEL, ALIGNMENT) : MemorySegment.NULL;
      double[] biases = whole ? null : new double[shape.n()];
      for (int row = 0; row < shape.n(); row++) {
        for (int b = 0; b < shape.blocks(); b++) {
          long sum = 0;
          int end = Math.min(shape.k(), (b + 1) * shape.block());
          for (int j = b * shape.block(); j < end; j++) {
            sum += code(weight, row, j) - grid.zeroPoint(row, j);
          }
          if (biases == null) {
            sums.setAtIndex(JAVA_INT, row, (int) (sum * input.offset()));
          } else {
            double scale = (double) grid.scale(row, (long) b * shape.block()) * input.scale();
            biases[row] -= (double) sum * input.offset() * scale;
          }
        }
      }
      return new Correction(sums, biases);
    }

    private static int code(QuantizedWeight weight, int row, int column) {
      return switch (weight) {
        case Int8Weight w -> (int) w.codes().getLong(row * w.columns() + column);
        case Int4Weight w -> w.code(row, column);
        default -> throw new IllegalArgumentException("no integers: " + weight.label());
      };
    }

    /** F32 [panels·16]. */
    MemorySegment bias(@Nullable Tensor bias, Blocks shape, Arena arena) {
      if (bias == null && biases == null) {
        return MemorySegment.NULL;
      }
      MemorySegment out = arena.allocate(4L * shape.panels() * PANEL, ALIGNMENT);
      for (int row = 0; row < shape.n(); row++) {
        double value = bias == null ? 0 : bias.getFloat(row);
        out.setAtIndex(JAVA_FLOAT, row, (float) (biases == null ? value : value + biases[row]));
      }
      return out;
    }
  }
}
