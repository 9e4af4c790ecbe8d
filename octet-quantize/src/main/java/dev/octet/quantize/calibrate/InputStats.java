package dev.octet.quantize.calibrate;

import dev.octet.kernels.Kernels;
import dev.octet.quantize.linalg.Gram;
import dev.octet.quantize.linalg.Products;
import dev.octet.quantize.observe.Observer;
import dev.octet.quantize.observe.Range;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What is known of the rows that a linear layer is given: extremes and mean sizes of every channel,
 * some of the rows themselves, and where asked for how the channels vary together.
 */
public final class InputStats {
  /** Rows kept for trying things out, as AWQ does. */
  private static final int SAMPLE = 512;

  /** Rows that are multiplied together. */
  private static final int BATCH = 2048;

  private final int channels;
  private final long expected;
  private final float[] lowest;
  private final float[] highest;
  private final double[] sizes;
  private final double[] squares;
  private final Tensor sample;
  private final @Nullable Gram gram;
  private final Tensor batch;
  private final @Nullable Supplier<Observer> observers;
  private @Nullable Observer observer;
  private int waiting;
  private @Nullable Tensor gramMatrix;
  private long seen;
  private int kept;

  /**
   * @param channels input features
   * @param expected rows that will be added
   * @param kernels to compute the Gram matrix with; null: none is wanted
   * @param observers make what finds the range; null: it is that of the extremes
   * @param arena owns the sample and the matrix
   */
  public InputStats(
      int channels,
      long expected,
      @Nullable Kernels kernels,
      @Nullable Supplier<Observer> observers,
      Arena arena) {
    this.channels = channels;
    this.expected = expected;
    this.lowest = new float[channels];
    this.highest = new float[channels];
    this.sizes = new double[channels];
    this.squares = new double[channels];
    this.sample =
        Tensor.allocate(arena, DType.F32, Math.max(1, Math.min(SAMPLE, expected)), channels);
    this.gram = kernels == null ? null : new Gram(kernels, channels, arena);
    this.batch =
        Tensor.allocate(arena, DType.F32, gram == null ? 0 : Math.min(BATCH, expected), channels);
    this.observers = observers;
    this.observer = observers == null ? null : observers.get();
  }

  /**
   * Adds rows, those of one sequence.
   *
   * @param x F32 [rows, channels]
   */
  public void add(Tensor x) {
    float[] row = new float[channels];
    for (long r = 0; r < x.rows(); r++) {
      Products.read(x, r, 0, row, channels);
      for (int j = 0; j < channels; j++) {
        lowest[j] = Math.min(lowest[j], row[j]);
        highest[j] = Math.max(highest[j], row[j]);
        sizes[j] += Math.abs(row[j]);
        squares[j] += (double) row[j] * row[j];
      }
      keep(row);
      gather(row);
      seen++;
    }
    observe(x);
  }

  /** Whether a range is lost with {@link #divide}, and rows must be shown again. */
  public boolean observes() {
    return observers != null;
  }

  /** Shows a sequence's rows to the observer only, if there is one. */
  public void observe(Tensor x) {
    if (observer == null) {
      return;
    }
    float[] row = new float[channels];
    for (long r = 0; r < x.rows(); r++) {
      Products.read(x, r, 0, row, channels);
      observer.add(row, 0, channels);
    }
    observer.endBatch();
  }

  /**
   * The range that codes of all channels together should span.
   *
   * @throws IllegalArgumentException if a value was no finite number
   */
  public Range range() {
    return observer == null ? new Range(minimum(), maximum()) : observer.range();
  }

  private void gather(float[] row) {
    if (gram != null) {
      Products.write(batch, waiting++, 0, row, channels);
      if (waiting == batch.rows()) {
        gram.add(batch);
        waiting = 0;
      }
    }
  }

  /** Keeps rows at even distances, so that every part of the text has its share. */
  private void keep(float[] row) {
    if (kept < sample.rows() && seen * sample.rows() >= kept * expected) {
      Products.write(sample, kept++, 0, row, channels);
    }
  }

  public int channels() {
    return channels;
  }

  /** Rows added. */
  public long count() {
    return seen;
  }

  /** Largest magnitude of every channel. */
  public float[] largest() {
    float[] out = new float[channels];
    for (int j = 0; j < channels; j++) {
      out[j] = Math.max(-lowest[j], highest[j]);
    }
    return out;
  }

  /** Smallest value of all, at most 0. */
  public float minimum() {
    float least = 0;
    for (float v : lowest) {
      least = Math.min(least, v);
    }
    return least;
  }

  /** Largest value of all, at least 0. */
  public float maximum() {
    float most = 0;
    for (float v : highest) {
      most = Math.max(most, v);
    }
    return most;
  }

  /** Mean magnitude of every channel. */
  public float[] meanSizes() {
    float[] out = new float[channels];
    for (int j = 0; j < channels; j++) {
      out[j] = (float) (sizes[j] / Math.max(1, seen));
    }
    return out;
  }

  /** Root of the mean square of every channel. */
  public float[] rootMeanSquares() {
    float[] out = new float[channels];
    for (int j = 0; j < channels; j++) {
      out[j] = (float) Math.sqrt(squares[j] / Math.max(1, seen));
    }
    return out;
  }

  /** Some of the rows, F32 [at most 512, channels]. */
  public Tensor sample() {
    return sample.rowRange(0, kept);
  }

  /**
   * {@code Σ xᵀx}, F32 [channels, channels].
   *
   * @throws IllegalStateException if it was not asked for
   */
  public Tensor gram() {
    if (gram == null) {
      throw new IllegalStateException("no Gram matrix was computed");
    }
    if (gramMatrix == null) {
      if (waiting > 0) {
        gram.add(batch.rowRange(0, waiting));
        waiting = 0;
      }
      gramMatrix = gram.complete();
    }
    return gramMatrix;
  }

  /**
   * What the statistics become when every channel is divided by its divisor. The observer forgets
   * what it saw: {@link #observe} must be given all sequences once more.
   */
  public void divide(float[] divisors) {
    if (observers != null) {
      observer = observers.get();
    }
    for (int j = 0; j < channels; j++) {
      lowest[j] /= divisors[j];
      highest[j] /= divisors[j];
      sizes[j] /= divisors[j];
      squares[j] /= (double) divisors[j] * divisors[j];
    }
    divideColumns(sample, divisors);
    if (gram != null) {
      Tensor h = gram();
      divideColumns(h, divisors);
      float[] row = new float[channels];
      for (int r = 0; r < channels; r++) {
        Products.read(h, r, 0, row, channels);
        for (int j = 0; j < channels; j++) {
          row[j] /= divisors[r];
        }
        Products.write(h, r, 0, row, channels);
      }
    }
  }

  /** Divides every column of a matrix. */
  public static void divideColumns(Tensor matrix, float[] divisors) {
    float[] row = new float[divisors.length];
    for (long r = 0; r < matrix.rows(); r++) {
      Products.read(matrix, r, 0, row, row.length);
      for (int j = 0; j < row.length; j++) {
        row[j] /= divisors[j];
      }
      Products.write(matrix, r, 0, row, row.length);
    }
  }
}
