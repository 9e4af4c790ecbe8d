package dev.octet.quantize.method;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How difficulty is moved between a linear layer's inputs and its weight: channel j of the input is
 * divided by s_j and column j of the weight multiplied, which changes nothing before quantization.
 */
public sealed interface Smoothing {
  /** The factors to try for a layer, the best of which is taken. */
  List<float[]> candidates(ChannelSizes sizes);

  /**
   * What is known of the channels.
   *
   * @param largestInput largest magnitude of each input channel
   * @param meanInput mean magnitude of each
   * @param largestWeight largest magnitude in each column, over all weights that read the input
   * @param meanWeight mean over all rows of a column's magnitudes, each as a part of the largest in
   *     its group
   */
  record ChannelSizes(
      float[] largestInput, float[] meanInput, float[] largestWeight, float[] meanWeight) {}

  /**
   * SmoothQuant (Xiao et al., arXiv 2211.10438): {@code s = max|x|^α / max|w|^(1−α)}.
   *
   * @param alpha how much of the difficulty the weights take, 0 to 1; NaN: the best of 0.1 … 0.9,
   *     and of the weight as it is
   */
  record SmoothQuant(double alpha) implements Smoothing {
    private static final float LEAST = 1e-5f;

    public SmoothQuant {
      if (alpha < 0 || alpha > 1) {
        throw new IllegalArgumentException("alpha must be between 0 and 1, not " + alpha);
      }
    }

    @Override
    public List<float[]> candidates(ChannelSizes sizes) {
      if (!Double.isNaN(alpha)) {
        return List.of(factors(sizes, alpha));
      }
      List<float[]> all = new ArrayList<>();
      all.add(ones(sizes));
      for (int i = 1; i <= 9; i++) {
        all.add(factors(sizes, i / 10.0));
      }
      return all;
    }

    private static float[] factors(ChannelSizes c, double alpha) {
      float[] s = new float[c.largestInput().length];
      for (int j = 0; j < s.length; j++) {
        double x = Math.max(c.largestInput()[j], LEAST);
        double w = Math.max(c.largestWeight()[j], LEAST);
        s[j] = (float) Math.max(Math.pow(x, alpha) / Math.pow(w, 1 - alpha), LEAST);
      }
      return quietOnes(c, s);
    }
  }

  /**
   * AWQ (Lin et al., arXiv 2306.00978): {@code s = mean|x|^r} and {@code s = mean|x|^r /
   * mean|w|^(1−r)}, r in steps of a tenth, scaled so that the largest and the smallest factor are
   * each other's inverse. The weight as it is is tried first. Where blocks are compared, {@link
   * ScaleSearch#balanced} adds factors that lie on neither curve.
   */
  record Awq() implements Smoothing {
    private static final int STEPS = 10;

    @Override
    public List<float[]> candidates(ChannelSizes sizes) {
      List<float[]> all = new ArrayList<>();
      all.add(ones(sizes));
      for (int i = 0; i < STEPS; i++) {
        double r = (double) i / STEPS;
        all.add(factors(sizes, r, 1 - r));
        all.add(factors(sizes, r + 1.0 / STEPS, 0));
      }
      return all;
    }

    private static float[] factors(ChannelSizes c, double input, double weight) {
      float[] s = new float[c.meanInput().length];
      float least = Float.POSITIVE_INFINITY;
      float most = 0;
      for (int j = 0; j < s.length; j++) {
        double x = Math.pow(c.meanInput()[j], input);
        double w = Math.pow(c.meanWeight()[j], weight) + 1e-4;
        s[j] = (float) Math.max(x / w, 1e-4);
        least = Math.min(least, s[j]);
        most = Math.max(most, s[j]);
      }
      double middle = Math.sqrt((double) least * most);
      for (int j = 0; j < s.length; j++) {
        s[j] = (float) (s[j] / middle);
      }
      return quietOnes(c, s);
    }
  }

  /** Nothing is moved. */
  private static float[] ones(ChannelSizes sizes) {
    float[] ones = new float[sizes.meanInput().length];
    Arrays.fill(ones, 1);
    return ones;
  }

  /** A channel that was never seen is left alone: nothing is known of it. */
  private static float[] quietOnes(ChannelSizes c, float[] s) {
    for (int j = 0; j < s.length; j++) {
      if (c.largestInput()[j] == 0) {
        s[j] = 1;
      }
    }
    return s;
  }
}
