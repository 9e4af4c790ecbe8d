package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.octet.kernels.Linear;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.cpu.Scratch.Use;
import dev.octet.kernels.linear.Activations;
import dev.octet.kernels.linear.FixedPoint;
import dev.octet.kernels.linear.Shapes;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.ActivationQuant.AsymmetricInt8;
import dev.octet.tensor.ActivationQuant.Clipped;
import dev.octet.tensor.ActivationQuant.DynamicFp8;
import dev.octet.tensor.ActivationQuant.DynamicFp8Block;
import dev.octet.tensor.ActivationQuant.DynamicInt4;
import dev.octet.tensor.ActivationQuant.DynamicInt8;
import dev.octet.tensor.ActivationQuant.Fp4Group;
import dev.octet.tensor.ActivationQuant.MxGroup;
import dev.octet.tensor.ActivationQuant.None;
import dev.octet.tensor.ActivationQuant.StaticFp8;
import dev.octet.tensor.ActivationQuant.StaticInt8;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer on packed panels. The input is quantized and ordered once by the calling thread
 * or, where there are many rows, by all; then every task multiplies all rows with a range of
 * panels.
 */
final class CpuLinear implements Linear {
  /** What x is multiplied in where that is less wide than F32. */
  enum Narrow {
    /** In integers that the layer quantizes x to, and nothing else: the tier has no BF16. */
    INTEGERS,
    /** In BF16, too, where it holds codes exactly. */
    CODES,
    /** And an unquantized x in 16-bit fixed point where the weight holds integers. */
    INT16,
    /** And an unquantized x of more than a few rows in BF16. */
    BF16
  }

  /** Up to so many rows weights are decoded in registers; FEW_ROWS of {@code linear_float.c}. */
  private static final int FEW_ROWS = 4;

  /**
   * From so many rows on tiles pay. A tile of weights (1 KiB) takes AVX-512 VNNI 8 cycles a row, a
   * core gets it from the last cache in about 100 and from memory in 200: with fewer rows nothing
   * is gained, whatever multiplies.
   */
  private static final int TILED_ROWS = 12;

  /** Elements of x that one task prepares. */
  private static final int PREPARED = 1 << 15;

  private final PackedWeight weight;
  private final ActivationQuant activation;
  private final long byteSize;
  private final String label;
  private final Narrow narrow;
  private final LinearCalls calls;
  private final @Nullable TileCalls tiles;
  private final WorkPool pool;

  /**
   * @param narrow what x may be multiplied in
   * @param tiles kernels for many rows, if the tier has tiles
   */
  CpuLinear(
      LinearWeights weights,
      Narrow narrow,
      LinearCalls calls,
      @Nullable TileCalls tiles,
      WorkPool pool,
      Arena arena) {
    this.weight = PackedWeight.of(weights, calls, pool, arena);
    this.activation = weights.activation();
    this.byteSize = weights.byteSize();
    this.label = weights.weight().label();
    this.narrow = narrow;
    this.calls = calls;
    this.tiles = tiles;
    this.pool = pool;
  }

  @Override
  public long inFeatures() {
    return weight.k();
  }

  @Override
  public long outFeatures() {
    return weight.n();
  }

  @Override
  public long byteSize() {
    return byteSize;
  }

  @Override
  public RowTable table() {
    return new PackedRows(weight, label, byteSize);
  }

  @Override
  public void apply(Tensor x, Tensor out) {
    int rows = Shapes.requireLinear(x, out, weight.k(), weight.n());
    if (rows == 0) {
      return;
    }
    MemorySegment input = NativeMemory.of(x);
    boolean direct = out.segment().isNative();
    MemorySegment output =
        direct ? out.segment() : Scratch.ofThread().get(Use.OUTPUT, 4L * rows * weight.n());
    Product product = prepare(input, rows);
    Panels panels = Panels.of(weight, rows, product.each(), pool);
    pool.run(
        panels.tasks(), i -> product.multiply().run(this, panels.from(i), panels.end(i), output));
    if (!direct) {
      out.segment().copyFrom(output.asSlice(0, out.segment().byteSize()));
    }
  }

  /**
   * x as a layer's kernels read it, and what multiplies it.
   *
   * @param each panels that are multiplied together: ranges begin at multiples of it
   */
  record Product(int each, Multiply multiply) {}

  /** The product with some panels. */
  interface Multiply {
    /**
     * Writes all rows of the panels {@code from}…{@code to - 1}.
     *
     * @param layer the one that prepared x, or one that {@link #readsLike} it
     */
    void run(CpuLinear layer, int from, int to, MemorySegment out);
  }

  /** Whether x prepared for one layer is prepared for the other. */
  boolean readsLike(CpuLinear other) {
    return activation.equals(other.activation)
        && narrow == other.narrow
        && weight.readsLike(other.weight);
  }

  PackedWeight weight() {
    return weight;
  }

  /** Quantizes and orders x; the result is good until the thread prepares the next. */
  Product prepare(MemorySegment x, int rows) {
    if (weight.form().integer() && Activations.integer(activation)) {
      return integers(x, rows);
    }
    return usesFixed(rows) ? fixed(x, rows) : floats(x, rows);
  }

  /** Whether an unquantized x meets integers in fixed point. */
  private boolean usesFixed(int rows) {
    return narrow == Narrow.INT16
        && FixedPoint.serves(rows)
        && weight.form().integer()
        && activation instanceof None;
  }

  private Product fixed(MemorySegment x, int rows) {
    Scratch scratch = Scratch.ofThread();
    int k = weight.k();
    int groups = weight.blocks() * Math.ceilDiv(weight.padded(), FixedPoint.GROUP);
    LeftOperand halves = LeftOperand.of(weight, Math.multiplyExact(2, rows), Byte.BYTES, null);
    MemorySegment scales = scratch.get(Use.SCALES, 4L * rows * groups);
    MemorySegment sums = scratch.get(Use.SUMS, 4L * rows * groups);
    MemorySegment inputSums = inputSums(scratch, rows);
    eachPart(
        rows,
        1,
        (from, count) -> {
          MemorySegment values = part(x, from, count, 4L * k);
          if (weight.arranges()) {
            values = arranged(values, count);
          }
          calls.quantizeInt16(
              weight,
              values,
              count,
              halves.part(2 * from, 2 * count),
              part(scales, from, count, 4L * groups),
              part(sums, from, count, 4L * groups));
          if (weight.offsets() != null) {
            joinSums(sums, scales, from, count, groups / weight.blocks(), inputSums);
          }
        });
    return new Product(
        halves.panels(),
        (layer, from, to, out) -> {
          calls.fixed(layer.weight, rows, from, to, halves.rows(), scales, sums, out);
          layer.addOffsets(rows, from, to, inputSums, out);
        });
  }

  /** Sums of the numbers of groups to sums of blocks of what they stand for. */
  private void joinSums(
      MemorySegment sums,
      MemorySegment scales,
      int from,
      int count,
      int groups,
      MemorySegment out) {
    int blocks = weight.blocks();
    for (long block = (long) from * blocks; block < (from + (long) count) * blocks; block++) {
      double sum = 0;
      for (long g = block * groups; g < (block + 1) * groups; g++) {
        sum += (double) scales.getAtIndex(JAVA_FLOAT, g) * sums.getAtIndex(JAVA_INT, g);
      }
      out.setAtIndex(JAVA_FLOAT, block, (float) sum);
    }
  }

  private Product integers(MemorySegment x, int rows) {
    Scratch scratch = Scratch.ofThread();
    int k = weight.k();
    LeftOperand codes = LeftOperand.of(weight, rows, Byte.BYTES, tilesFor(rows));
    MemorySegment scales = scratch.get(Use.SCALES, 4L * rows);
    long sumBytes = 4L * weight.blocks();
    MemorySegment sums = scratch.get(Use.SUMS, rows * sumBytes);
    MemorySegment inputSums = inputSums(scratch, rows);
    ActivationQuant quant = activation.unclipped();
    float fixed = quant instanceof StaticInt8 s ? s.scale() : 0;
    int offset = quant instanceof StaticInt8 s ? s.offset() : 0;
    int bits = Activations.bits(activation);
    float steps = Activations.steps(activation);
    eachPart(
        rows,
        codes.step(),
        (from, count) -> {
          Rows part = codes.part(from, count);
          Rows first = part;
          if (weight.arranges()) {
            first = new Rows(Scratch.ofThread().get(Use.PLAIN, (long) count * k), k, 1);
          }
          MemorySegment values = part(x, from, count, 4L * k);
          MemorySegment itsScales = part(scales, from, count, 4);
          if (fixed != 0 && activation instanceof Clipped) {
            values = clipped(values, count);
          }
          calls.quantizeInt8(values, count, k, bits, steps, fixed, offset, first, itsScales);
          if (weight.arranges()) {
            calls.arrange(weight, first.memory(), count, part);
          }
          calls.blockSums(weight, part, count, part(sums, from, count, sumBytes));
          if (weight.offsets() != null) {
            scaleSums(sums, scales, from, count, inputSums);
          }
          codes.finish(part, from, count);
        });
    return new Product(
        codes.panels(),
        (layer, from, to, out) -> {
          TileCalls tiled = codes.tiles();
          if (tiled != null) {
            tiled.integers(layer.weight, rows, from, to, codes.memory(), scales, sums, out);
          } else {
            calls.integers(layer.weight, rows, from, to, codes.rows(), scales, sums, out);
          }
          layer.addOffsets(rows, from, to, inputSums, out);
        });
  }

  /** Rows that are cut off before a static scale meets them, which is rare. */
  private MemorySegment clipped(MemorySegment x, int count) {
    int k = weight.k();
    MemorySegment out = Scratch.ofThread().get(Use.WIDE, 4L * count * k);
    float[] row = new float[k];
    for (int r = 0; r < count; r++) {
      MemorySegment.copy(x, JAVA_FLOAT, 4L * r * k, row, 0, k);
      if (Float.isFinite(Activations.absMax(row))) {
        Activations.clip(activation, row);
      }
      MemorySegment.copy(row, 0, out, JAVA_FLOAT, 4L * r * k, k);
    }
    return out;
  }

  /** Room for Σx of every row and block, where offsets are multiplied with it. */
  private MemorySegment inputSums(Scratch scratch, int rows) {
    return weight.offsets() == null
        ? MemorySegment.NULL
        : scratch.get(Use.INPUT_SUMS, 4L * rows * weight.blocks());
  }

  /** Sums of codes to sums of what they stand for. */
  private void scaleSums(
      MemorySegment sums, MemorySegment scales, int from, int count, MemorySegment out) {
    int blocks = weight.blocks();
    for (int r = from; r < from + count; r++) {
      float scale = scales.getAtIndex(JAVA_FLOAT, r);
      for (long i = (long) r * blocks; i < (r + 1L) * blocks; i++) {
        out.setAtIndex(JAVA_FLOAT, i, scale * sums.getAtIndex(JAVA_INT, i));
      }
    }
  }

  private void addOffsets(int rows, int from, int to, MemorySegment inputSums, MemorySegment out) {
    if (weight.offsets() != null) {
      calls.addOffsets(weight, weight.offsets(), rows, from, to, inputSums, out);
    }
  }

  private Product floats(MemorySegment x, int rows) {
    Scratch scratch = Scratch.ofThread();
    int k = weight.k();
    boolean pairs = usesBf16(rows);
    boolean direct = !pairs && !activation.quantizes() && !weight.arranges() && rows <= FEW_ROWS;
    MemorySegment inputSums = inputSums(scratch, rows);
    if (weight.offsets() != null) {
      eachPart(rows, 1, (from, count) -> sumInputs(x, from, count, inputSums));
    }
    MemorySegment scales =
        codesKeepTheirScale() ? scratch.get(Use.SCALES, 4L * rows) : MemorySegment.NULL;
    if (direct) {
      Rows plain = new Rows(x, k, Float.BYTES);
      return new Product(
          2,
          (layer, from, to, out) -> {
            calls.floats(layer.weight, rows, from, to, plain, scales, out);
            layer.addOffsets(rows, from, to, inputSums, out);
          });
    }
    int size = pairs ? Short.BYTES : Float.BYTES;
    LeftOperand left = LeftOperand.of(weight, rows, size, pairs ? tilesFor(rows) : null);
    eachPart(
        rows,
        left.step(),
        (from, count) -> {
          Rows part = left.part(from, count);
          prepare(part(x, from, count, 4L * k), count, scales, from, part);
          left.finish(part, from, count);
        });
    return new Product(
        left.panels(),
        (layer, from, to, out) -> {
          TileCalls tiled = left.tiles();
          if (tiled != null) {
            tiled.halves(layer.weight, rows, from, to, left.memory(), scales, out);
          } else if (pairs) {
            calls.halves(layer.weight, rows, from, to, left.rows(), scales, out);
          } else {
            calls.floats(layer.weight, rows, from, to, left.rows(), scales, out);
          }
          layer.addOffsets(rows, from, to, inputSums, out);
        });
  }

  /** Σx of every row and block, in the order in which the weight has its inputs. */
  private void sumInputs(MemorySegment x, int from, int count, MemorySegment inputSums) {
    MemorySegment values = part(x, from, count, 4L * weight.k());
    MemorySegment sums = part(inputSums, from, count, 4L * weight.blocks());
    boolean ordered = weight.order() != null;
    if (ordered) {
      values = arranged(values, count);
    }
    calls.inputSums(weight, ordered, values, count, sums);
  }

  private @Nullable TileCalls tilesFor(int rows) {
    return rows >= TILED_ROWS ? tiles : null;
  }

  /**
   * Quantizes rows if the layer says so, brings them into the weight's order and into {@code out}.
   */
  private void prepare(MemorySegment x, int count, MemorySegment scales, int from, Rows out) {
    Scratch scratch = Scratch.ofThread();
    MemorySegment values = x;
    if (activation.quantizes()) {
      values = scratch.get(Use.PLAIN, 4L * count * weight.k());
      round(x, count, values, scales, from);
    }
    if (out.size() == Float.BYTES) {
      calls.arrange(weight, values, count, out);
      return;
    }
    if (weight.arranges()) {
      values = arranged(values, count);
    }
    calls.toBf16(values, count, weight.inputs(), out);
  }

  /** Rows in the weight's order, good until the thread arranges others. */
  private MemorySegment arranged(MemorySegment x, int count) {
    int inputs = weight.inputs();
    MemorySegment wide = Scratch.ofThread().get(Use.WIDE, 4L * count * inputs);
    calls.arrange(weight, x, count, new Rows(wide, inputs, Float.BYTES));
    return wide;
  }

  /**
   * BF16 products for many rows: codes of x and of the weight are exact in BF16. An unquantized x
   * is not; it is multiplied in F32 or {@link #fixed} unless its rounding was asked for.
   */
  private boolean usesBf16(int rows) {
    boolean x16 = codesKeepTheirScale() || narrow == Narrow.BF16 && activation instanceof None;
    return narrow != Narrow.INTEGERS && rows > FEW_ROWS && weight.form().fitsBf16() && x16;
  }

  /** Whether x is multiplied as codes, its scale applied to the sums. */
  private boolean codesKeepTheirScale() {
    return activation instanceof DynamicFp8 d
        ? d.bound() == Float.POSITIVE_INFINITY
        : activation instanceof StaticFp8;
  }

  /** Replaces rows by what their quantized form stands for, or by its codes. */
  private void round(
      MemorySegment x, int count, MemorySegment out, MemorySegment scales, int from) {
    int k = weight.k();
    switch (activation) {
      case DynamicFp8 d when d.bound() < Float.POSITIVE_INFINITY -> roundTrip(x, count, out);
      case DynamicFp8 _ ->
          calls.roundE4m3(x, count, k, k, 0, false, out, part(scales, from, count, 4));
      case StaticFp8 s ->
          calls.roundE4m3(x, count, k, k, s.scale(), false, out, part(scales, from, count, 4));
      case DynamicFp8Block b -> {
        int block = Math.min(k, b.block());
        long bytes = 4L * count * Math.ceilDiv(k, block);
        MemorySegment unused = Scratch.ofThread().get(Use.BLOCK_SCALES, bytes);
        calls.roundE4m3(x, count, k, block, 0, true, out, unused);
      }
      case None _, DynamicInt8 _, DynamicInt4 _, StaticInt8 _ -> roundTrip(x, count, out);
      case AsymmetricInt8 _, Fp4Group _, MxGroup _, Clipped _ -> roundTrip(x, count, out);
    }
  }

  /**
   * Integer activations meet float weights only in tests of the pairing, and bounds, offsets of
   * tokens, FP4, MX and clipped inputs are rare: what is rare is computed as it is defined.
   */
  private void roundTrip(MemorySegment x, int count, MemorySegment out) {
    int k = weight.k();
    float[] row = new float[k];
    for (int r = 0; r < count; r++) {
      MemorySegment.copy(x, JAVA_FLOAT, 4L * r * k, row, 0, k);
      Activations.roundTrip(activation, row);
      MemorySegment.copy(row, 0, out, JAVA_FLOAT, 4L * r * k, k);
    }
  }

  private static MemorySegment part(MemorySegment whole, int from, int count, long rowBytes) {
    return whole.asSlice(from * rowBytes, count * rowBytes);
  }

  /** A range of rows. */
  private interface Range {
    void run(int first, int count);
  }

  /** Prepares rows of x: {@code task(first row, rows)}; first rows are multiples of step. */
  private void eachPart(int rows, int step, Range task) {
    int each = Math.ceilDiv(Math.max(1, PREPARED / Math.max(1, weight.k())), step) * step;
    int parts = Math.ceilDiv(rows, each);
    pool.run(
        parts,
        i -> {
          int from = i * each;
          task.run(from, Math.min(each, rows - from));
        });
  }
}
