package dev.octet.bench;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;

/**
 * Synthetic queries, keys and values of one head. Each exposes a weakness of some way to quantize
 * attention; real layers are milder, so they rank methods and do not predict a model's perplexity.
 */
public enum Distribution {
  /** N(0, 1): the table of the INT-FlashAttention paper. */
  NORMAL,
  /** U(−½, ½): the same paper; nearly flat attention. */
  UNIF,
  /** N(0, 1) + 10·N(0, 1) in one element of a thousand: FlashAttention-3's outliers. */
  FA3_OUTLIER,
  /** Channels of Q and K with means N(0, ½²), d/32 channels of K with a bias of 8 to 20. */
  KBIAS,
  /** The same, and V with means N(0, 2²) around which it varies by 0.3. */
  KBIAS_VBIAS,
  /** KBIAS after the rotary embedding, which turns a constant bias into waves. */
  KBIAS_ROPE,
  /** The first four keys take 84 to 90 % of the attention and have values of 0.02. */
  SINK;

  private static final int SINKS = 4;

  /** The name in tables. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * @throws IllegalArgumentException for an unknown name, listing the known ones
   */
  public static Distribution of(String label) {
    return Stream.of(values())
        .filter(d -> d.label().equals(label.toLowerCase(Locale.ROOT)))
        .findFirst()
        .orElseThrow(
            () -> {
              List<String> known = Arrays.stream(values()).map(Distribution::label).toList();
              return new IllegalArgumentException(
                  "unknown distribution '" + label + "'; choose from " + String.join(", ", known));
            });
  }

  /** Queries [m, d], keys and values [n, d]; the queries stand at the last m positions. */
  HeadInput draw(RandomGenerator random, int m, int n, int d) {
    HeadInput x = new HeadInput(m, n, d, new float[m * d], new float[n * d], new float[n * d]);
    for (float[] part : List.of(x.q(), x.k(), x.v())) {
      for (int i = 0; i < part.length; i++) {
        part[i] = element(random);
      }
    }
    switch (this) {
      case NORMAL, UNIF, FA3_OUTLIER -> {}
      case KBIAS -> biasKeys(random, x);
      case KBIAS_VBIAS -> {
        biasKeys(random, x);
        for (int i = 0; i < x.v().length; i++) {
          x.v()[i] *= 0.3f;
        }
        addPerChannel(random, x.v(), d, 2);
      }
      case KBIAS_ROPE -> {
        biasKeys(random, x);
        rope(x.q(), d, n - m);
        rope(x.k(), d, 0);
      }
      case SINK -> sink(random, x);
    }
    return x;
  }

  private float element(RandomGenerator random) {
    if (this == UNIF) {
      return random.nextFloat() - 0.5f;
    }
    float x = (float) random.nextGaussian();
    boolean outlier = this == FA3_OUTLIER && random.nextDouble() < 0.001;
    return outlier ? x + 10 * (float) random.nextGaussian() : x;
  }

  private static void biasKeys(RandomGenerator random, HeadInput x) {
    addPerChannel(random, x.q(), x.d(), 0.5);
    addPerChannel(random, x.k(), x.d(), 0.5);
    for (int b = 0; b < Math.max(1, x.d() / 32); b++) {
      int channel = random.nextInt(x.d());
      float bias = (float) (random.nextDouble(8, 20) * (random.nextBoolean() ? 1 : -1));
      for (int i = channel; i < x.k().length; i += x.d()) {
        x.k()[i] += bias;
      }
    }
  }

  private static void addPerChannel(RandomGenerator random, float[] x, int d, double deviation) {
    float[] mean = new float[d];
    for (int c = 0; c < d; c++) {
      mean[c] = (float) (deviation * random.nextGaussian());
    }
    for (int i = 0; i < x.length; i++) {
      x[i] += mean[i % d];
    }
  }

  /** Rotates halves, θ = 10⁴, row i at position {@code first + i}. */
  private static void rope(float[] x, int d, int first) {
    for (int i = 0; i < x.length / d; i++) {
      for (int c = 0; c < d / 2; c++) {
        double angle = (first + i) * Math.pow(1e4, -2.0 * c / d);
        float cos = (float) Math.cos(angle);
        float sin = (float) Math.sin(angle);
        float a = x[i * d + c];
        float b = x[i * d + c + d / 2];
        x[i * d + c] = a * cos - b * sin;
        x[i * d + c + d / 2] = b * cos + a * sin;
      }
    }
  }

  /**
   * Gives every query the same component 2√d along a fixed direction, to which the sinks are
   * parallel and all other keys orthogonal, so that a sink's score is ln n + 1 for each of them:
   * trained sinks have short keys that queries point at.
   */
  private static void sink(RandomGenerator random, HeadInput x) {
    int d = x.d();
    float along = 2 * (float) Math.sqrt(d);
    float[] u = unit(random, d);
    setComponent(x.q(), u, along);
    setComponent(x.k(), u, 0);
    addPerChannel(random, x.v(), d, 0.5);
    float length = (float) ((Math.log(x.n()) + 1) * Math.sqrt(d) / along);
    for (int i = 0; i < Math.min(SINKS, x.n()) * d; i++) {
      x.k()[i] = length * u[i % d];
      x.v()[i] = 0.02f * (float) random.nextGaussian();
    }
  }

  private static void setComponent(float[] x, float[] u, float wanted) {
    int d = u.length;
    for (int at = 0; at < x.length; at += d) {
      float dot = 0;
      for (int c = 0; c < d; c++) {
        dot += x[at + c] * u[c];
      }
      for (int c = 0; c < d; c++) {
        x[at + c] += (wanted - dot) * u[c];
      }
    }
  }

  private static float[] unit(RandomGenerator random, int d) {
    float[] u = new float[d];
    double square = 0;
    for (int c = 0; c < d; c++) {
      u[c] = (float) random.nextGaussian();
      square += u[c] * (double) u[c];
    }
    for (int c = 0; c < d; c++) {
      u[c] /= (float) Math.sqrt(square);
    }
    return u;
  }
}
