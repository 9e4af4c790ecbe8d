package dev.octet.quantize.method;

import dev.octet.kernels.Kernels;
import dev.octet.quantize.linalg.Products;
import dev.octet.quantize.observe.Observer;
import dev.octet.quantize.observe.ObserverSpec;
import dev.octet.quantize.observe.Range;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.RoundToNearest;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Finds the factors by which a layer's input channels are divided and its weights' columns
 * multiplied: of all candidates the one whose quantized layers, computed by the very kernels that
 * will run them, come closest to the unquantized ones on sample inputs.
 */
public final class ScaleSearch {
  private final Kernels kernels;
  private final List<Tensor> weights;
  private final Tensor sample;
  private final QuantScheme scheme;
  private final @Nullable ObserverSpec fixedInputs;

  /**
   * @param weights F32 [n, k] each: all that read the same input
   * @param sample inputs, F32 [rows, k]
   * @param scheme of weights and activations
   * @param fixedInputs how activations get a static scale; null: one a token
   */
  public ScaleSearch(
      Kernels kernels,
      List<Tensor> weights,
      Tensor sample,
      QuantScheme scheme,
      @Nullable ObserverSpec fixedInputs) {
    this.kernels = kernels;
    this.weights = weights;
    this.sample = sample;
    this.scheme = scheme;
    this.fixedInputs = fixedInputs;
  }

  /**
   * The best factors.
   *
   * @param largestInput largest magnitude of every channel
   * @param meanInput mean magnitude of every channel
   */
  public float[] best(Smoothing smoothing, float[] largestInput, float[] meanInput) {
    List<float[]> candidates = candidates(smoothing, largestInput, meanInput);
    if (candidates.size() == 1) {
      return candidates.getFirst();
    }
    try (Arena arena = Arena.ofShared()) {
      List<Tensor> wanted = new ArrayList<>();
      for (Tensor w : weights) {
        wanted.add(Products.timesTransposed(kernels, sample, w, arena));
      }
      float[] best = candidates.getFirst();
      double least = Double.POSITIVE_INFINITY;
      for (float[] s : candidates) {
        double error = error(s, largestInput, wanted);
        if (error < least) {
          least = error;
          best = s;
        }
      }
      return best;
    }
  }

  /** The factors to choose from; for the arguments see {@link #best}. */
  public List<float[]> candidates(Smoothing smoothing, float[] largestInput, float[] meanInput) {
    return smoothing.candidates(
        new Smoothing.ChannelSizes(largestInput, meanInput, largestWeight(), meanWeight()));
  }

  /**
   * Factors that cost least by expectation, and some on the way to them.
   *
   * @param rootMeanSquares of every channel
   */
  public List<float[]> balanced(float[] rootMeanSquares) {
    float[] all = ScaleBalance.of(weights, rootMeanSquares, block());
    return List.of(partly(all, 0.5), partly(all, 0.75), all);
  }

  private static float[] partly(float[] s, double part) {
    float[] out = new float[s.length];
    for (int j = 0; j < s.length; j++) {
      out[j] = (float) Math.pow(s[j], part);
    }
    return out;
  }

  private int block() {
    return scheme.granularity() == ScaleGranularity.GROUP
        ? scheme.group()
        : Math.toIntExact(sample.columns());
  }

  private double error(float[] s, float[] largestInput, List<Tensor> wanted) {
    double sum = 0;
    try (Arena arena = Arena.ofShared()) {
      Tensor x = scaled(sample, s, true, arena);
      ActivationQuant activation = activation(s, largestInput, x);
      for (int i = 0; i < weights.size(); i++) {
        Tensor w = scaled(weights.get(i), s, false, arena);
        LinearWeights layer =
            new LinearWeights(RoundToNearest.quantize(w, scheme, arena), null, activation);
        Tensor out = Tensor.allocate(arena, DType.F32, x.rows(), w.rows());
        kernels.linear(layer, arena).apply(x, out);
        sum += distance(out, wanted.get(i));
      }
    }
    return sum;
  }

  /**
   * A static scale depends on the factors: it must hold the largest input that is left, which the
   * sample may lack. Where extremes do not decide, the sample will do.
   */
  private ActivationQuant activation(float[] s, float[] largestInput, Tensor x) {
    ActivationQuant dynamic = scheme.activation();
    if (fixedInputs == null || !dynamic.quantizes()) {
      return dynamic;
    }
    if (fixedInputs.kind() != ObserverSpec.Kind.MINMAX) {
      return FixedInputs.of(dynamic, observed(fixedInputs.create(FixedInputs.grid(dynamic)), x));
    }
    float largest = 0;
    for (int j = 0; j < s.length; j++) {
      largest = Math.max(largest, largestInput[j] / s[j]);
    }
    return FixedInputs.of(dynamic, new Range(-largest, largest));
  }

  private static Range observed(Observer observer, Tensor x) {
    float[] row = new float[Math.toIntExact(x.columns())];
    for (long r = 0; r < x.rows(); r++) {
      Products.read(x, r, 0, row, row.length);
      observer.add(row, 0, row.length);
    }
    return observer.range();
  }

  /** Sum of the squared differences of two matrices of one shape. */
  public static double distance(Tensor a, Tensor b) {
    int k = Math.toIntExact(a.columns());
    float[] left = new float[k];
    float[] right = new float[k];
    double sum = 0;
    for (long r = 0; r < a.rows(); r++) {
      Products.read(a, r, 0, left, k);
      Products.read(b, r, 0, right, k);
      for (int j = 0; j < k; j++) {
        double d = (double) left[j] - right[j];
        sum += d * d;
      }
    }
    return sum;
  }

  /** A copy with every column multiplied, or divided. */
  public static Tensor scaled(Tensor matrix, float[] s, boolean divide, Arena arena) {
    Tensor out = Tensor.allocate(arena, DType.F32, matrix.shape());
    float[] row = new float[s.length];
    for (long r = 0; r < matrix.rows(); r++) {
      Products.read(matrix, r, 0, row, row.length);
      for (int j = 0; j < row.length; j++) {
        row[j] = divide ? row[j] / s[j] : row[j] * s[j];
      }
      Products.write(out, r, 0, row, row.length);
    }
    return out;
  }

  private float[] largestWeight() {
    int k = Math.toIntExact(sample.columns());
    float[] largest = new float[k];
    float[] row = new float[k];
    for (Tensor w : weights) {
      for (long r = 0; r < w.rows(); r++) {
        Products.read(w, r, 0, row, k);
        for (int j = 0; j < k; j++) {
          largest[j] = Math.max(largest[j], Math.abs(row[j]));
        }
      }
    }
    return largest;
  }

  private float[] meanWeight() {
    int k = Math.toIntExact(sample.columns());
    int block = block();
    double[] sums = new double[k];
    long rows = 0;
    float[] row = new float[k];
    for (Tensor w : weights) {
      rows += w.rows();
      for (long r = 0; r < w.rows(); r++) {
        Products.read(w, r, 0, row, k);
        for (int from = 0; from < k; from += block) {
          addParts(row, from, Math.min(k, from + block), sums);
        }
      }
    }
    float[] mean = new float[k];
    for (int j = 0; j < k; j++) {
      mean[j] = (float) (sums[j] / rows);
    }
    return mean;
  }

  private static void addParts(float[] row, int from, int to, double[] sums) {
    float largest = 0;
    for (int j = from; j < to; j++) {
      largest = Math.max(largest, Math.abs(row[j]));
    }
    for (int j = from; j < to && largest > 0; j++) {
      sums[j] += Math.abs(row[j]) / largest;
    }
  }
}
