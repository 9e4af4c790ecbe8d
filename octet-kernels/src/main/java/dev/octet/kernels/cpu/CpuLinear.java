package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.octet.kernels.Linear;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.cpu.Scratch.Use;
import dev.octet.kernels.linear.Activations;
import dev.octet.kernels.linear.Shapes;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.ActivationQuant.DynamicFp8;
import dev.octet.tensor.ActivationQuant.DynamicFp8Block;
import dev.octet.tensor.ActivationQuant.DynamicInt8;
import dev.octet.tensor.ActivationQuant.None;
import dev.octet.tensor.ActivationQuant.StaticFp8;
import dev.octet.tensor.ActivationQuant.StaticInt8;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * A linear layer on packed panels. The input is quantized and ordered once by the calling thread
 * or, where there are many rows, by all; then every task multiplies all rows with a range of
 * panels.
 */
final class CpuLinear implements Linear {
  /** Up to so many rows weights are decoded in registers; FEW_ROWS of {@code linear_float.c}. */
  private static final int FEW_ROWS = 4;

  /** Tasks a thread: enough to even out, few enough that each reads long stretches of memory. */
  private static final int TASKS_A_THREAD = 8;

  /** Elements of x that one task prepares. */
  private static final int PREPARED = 1 << 15;

  private final PackedWeight weight;
  private final ActivationQuant activation;
  private final long byteSize;
  private final boolean products16;
  private final LinearCalls calls;
  private final WorkPool pool;

  /**
   * @param products16 whether the tier multiplies BF16
   */
  CpuLinear(LinearWeights weights, boolean products16, LinearCalls calls, WorkPool pool) {
    this.weight = PackedWeight.of(weights, calls, pool);
    this.activation = weights.activation();
    this.byteSize = weights.byteSize();
    this.products16 = products16;
    this.calls = calls;
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
  public void apply(Tensor x, Tensor out) {
    int rows = Shapes.requireLinear(x, out, weight.k(), weight.n());
    if (rows == 0) {
      return;
    }
    MemorySegment input = NativeMemory.of(x);
    boolean direct = out.segment().isNative();
    MemorySegment output =
        direct ? out.segment() : Scratch.ofThread().get(Use.OUTPUT, 4L * rows * weight.n());
    if (weight.form().integer() && Activations.integer(activation)) {
      integers(input, rows, output);
    } else {
      floats(input, rows, output);
    }
    if (!direct) {
      out.segment().copyFrom(output.asSlice(0, out.segment().byteSize()));
    }
  }

  private void integers(MemorySegment x, int rows, MemorySegment out) {
    Scratch scratch = Scratch.ofThread();
    int k = weight.k();
    MemorySegment plain = scratch.get(Use.CODES, (long) rows * k);
    MemorySegment codes =
        weight.arranges() ? scratch.get(Use.ARRANGED, (long) rows * weight.inputs()) : plain;
    MemorySegment scales = scratch.get(Use.SCALES, 4L * rows);
    MemorySegment sums = scratch.get(Use.SUMS, 4L * rows * weight.blocks());
    float fixed = activation instanceof StaticInt8 s ? s.scale() : 0;
    int offset = activation instanceof StaticInt8 s ? s.offset() : 0;
    eachPart(
        rows,
        (from, count) -> {
          MemorySegment own = part(plain, from, count, k);
          calls.quantizeInt8(
              part(x, from, count, 4L * k),
              count,
              k,
              fixed,
              offset,
              own,
              part(scales, from, count, 4));
          MemorySegment ordered = part(codes, from, count, weight.inputs());
          if (weight.arranges()) {
            calls.arrange(weight, own, count, 1, ordered);
          }
          calls.blockSums(weight, ordered, count, part(sums, from, count, 4L * weight.blocks()));
        });
    eachRange((from, to) -> calls.integers(weight, rows, from, to, codes, scales, sums, out));
  }

  private void floats(MemorySegment x, int rows, MemorySegment out) {
    Scratch scratch = Scratch.ofThread();
    int k = weight.k();
    int inputs = weight.inputs();
    boolean rounds = activation.quantizes();
    MemorySegment scales =
        codesKeepTheirScale() ? scratch.get(Use.SCALES, 4L * rows) : MemorySegment.NULL;
    MemorySegment rounded = rounds ? scratch.get(Use.CODES, 4L * rows * k) : x;
    MemorySegment ordered =
        weight.arranges() ? scratch.get(Use.ARRANGED, 4L * rows * inputs) : rounded;
    boolean pairs = usesBf16(rows);
    MemorySegment halves = pairs ? scratch.get(Use.HALVES, 2L * rows * inputs) : ordered;
    eachPart(
        rows,
        (from, count) -> {
          MemorySegment values = part(x, from, count, 4L * k);
          if (rounds) {
            MemorySegment own = part(rounded, from, count, 4L * k);
            round(values, count, own, scales, from);
            values = own;
          }
          if (weight.arranges()) {
            MemorySegment own = part(ordered, from, count, 4L * inputs);
            calls.arrange(weight, values, count, 4, own);
            values = own;
          }
          if (pairs) {
            calls.toBf16(values, (long) count * inputs, part(halves, from, count, 2L * inputs));
          }
        });
    eachRange(
        (from, to) -> {
          if (pairs) {
            calls.halves(weight, rows, from, to, halves, scales, out);
          } else {
            calls.floats(weight, rows, from, to, ordered, scales, out);
          }
        });
  }

  /**
   * BF16 products for many rows, where nothing but an unquantized x is rounded to BF16 by it: codes
   * of x and of the weight are exact. Scaled blocks of codes would not be; they stay F32.
   */
  private boolean usesBf16(int rows) {
    boolean exactOrFree = activation instanceof None || codesKeepTheirScale();
    return products16 && rows > FEW_ROWS && weight.form().fitsBf16() && exactOrFree;
  }

  /** Whether x is multiplied as codes, its scale applied to the sums. */
  private boolean codesKeepTheirScale() {
    return activation instanceof DynamicFp8 || activation instanceof StaticFp8;
  }

  /** Replaces rows by what their quantized form stands for, or by its codes. */
  private void round(
      MemorySegment x, int count, MemorySegment out, MemorySegment scales, int from) {
    int k = weight.k();
    switch (activation) {
      case DynamicFp8 _ ->
          calls.roundE4m3(x, count, k, k, 0, false, out, part(scales, from, count, 4));
      case StaticFp8 s ->
          calls.roundE4m3(x, count, k, k, s.scale(), false, out, part(scales, from, count, 4));
      case DynamicFp8Block b -> {
        int block = Math.min(k, b.block());
        long bytes = 4L * count * Math.ceilDiv(k, block);
        MemorySegment unused = Scratch.ofThread().get(Use.SUMS, bytes);
        calls.roundE4m3(x, count, k, block, 0, true, out, unused);
      }
      case None _, DynamicInt8 _, StaticInt8 _ -> roundTrip(x, count, out);
    }
  }

  /** Integer activations meet float weights only in tests of the pairing; speed is no matter. */
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

  /** A range of rows or of panels. */
  private interface Range {
    void run(int first, int second);
  }

  /** Prepares rows of x: {@code task(first row, rows)}. */
  private void eachPart(int rows, Range task) {
    int each = Math.max(1, PREPARED / Math.max(1, weight.k()));
    int parts = Math.ceilDiv(rows, each);
    pool.run(
        parts,
        i -> {
          int from = i * each;
          task.run(from, Math.min(each, rows - from));
        });
  }

  /** Multiplies: {@code task(first panel, end)}; tasks begin at even panels, which go in pairs. */
  private void eachRange(Range task) {
    int pairs = Math.ceilDiv(weight.panels(), 2);
    int tasks = Math.min(pairs, pool.threads() == 1 ? 1 : TASKS_A_THREAD * pool.threads());
    pool.run(
        tasks,
        i -> {
          int from = (int) ((long) pairs * i / tasks) * 2;
          int to = (int) ((long) pairs * (i + 1) / tasks) * 2;
          task.run(from, Math.min(to, weight.panels()));
        });
  }
}
