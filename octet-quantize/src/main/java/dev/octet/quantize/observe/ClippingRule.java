package dev.octet.quantize.observe;

/** Where to clip, by how often values of each size occur. */
sealed interface ClippingRule {
  /**
   * The range to span.
   *
   * @param seen not all zeros
   */
  Range range(Histogram seen);

  /** Bounds tried between the largest magnitude and this part of it. */
  double NARROWEST = 1.0 / 512;

  /** Each bound tried is that part of the one before. */
  double STEP = Math.pow(2, -1.0 / 16);

  /** The symmetric range up to a magnitude, no wider than what was seen. */
  static Range upTo(double magnitude, Histogram seen) {
    return new Range(
        (float) Math.max(seen.low(), -magnitude), (float) Math.min(seen.high(), magnitude));
  }

  /**
   * The smallest magnitude below which so many of all magnitudes lie, to within a bin.
   *
   * @param percent in (0, 100]
   */
  record Percentile(double percent) implements ClippingRule {
    @Override
    public Range range(Histogram seen) {
      double wanted = Math.ceil(percent / 100 * seen.count());
      long below = 0;
      int bin = 0;
      for (; bin < Histogram.HALF; bin++) {
        below += seen.sized(bin);
        if (below >= wanted) {
          break;
        }
      }
      return upTo((bin + 1) * seen.width(), seen);
    }
  }

  /**
   * The shortest stretch of values, wherever it lies, that holds so many of them, to within a bin:
   * the recall window of msModelSlim's FAQuant.
   *
   * @param percent in (0, 100]
   */
  record Window(double percent) implements ClippingRule {
    @Override
    public Range range(Histogram seen) {
      double wanted = Math.ceil(percent / 100 * seen.count());
      double shortest = Double.POSITIVE_INFINITY;
      double low = seen.low();
      double high = seen.high();
      long inside = 0;
      int end = -Histogram.HALF;
      for (int begin = -Histogram.HALF; begin < Histogram.HALF; begin++) {
        while (inside < wanted && end < Histogram.HALF) {
          inside += seen.in(end++);
        }
        if (inside < wanted) {
          break;
        }
        double from = Math.max(begin * seen.width(), seen.low());
        double to = Math.min(end * seen.width(), seen.high());
        if (to - from < shortest) {
          shortest = to - from;
          low = from;
          high = to;
        }
        inside -= seen.in(begin);
      }
      return new Range((float) low, (float) high);
    }
  }

  /** The range in which rounding and clipping together make the least squared error. */
  record LeastSquares(CodeGrid grid) implements ClippingRule {
    @Override
    public Range range(Histogram seen) {
      int used = seen.used();
      double best = seen.largest();
      double least = Double.POSITIVE_INFINITY;
      for (double part = 1; part > NARROWEST; part *= STEP) {
        double bound = seen.largest() * part;
        double error = error(seen, used, bound, least);
        if (error < least) {
          least = error;
          best = bound;
        }
      }
      return upTo(best, seen);
    }

    private double error(Histogram seen, int used, double bound, double enough) {
      double scale = bound / grid.largest();
      double sum = 0;
      for (int j = used - 1; j >= 0 && sum < enough; j--) {
        long count = seen.sized(j);
        if (count > 0) {
          double value = (j + 0.5) * seen.width();
          double off = grid.nearest(value / scale) * scale - value;
          sum += count * off * off;
        }
      }
      return sum;
    }
  }

  /**
   * The range whose codes tell most of how values are distributed: that of the least
   * Kullback–Leibler divergence between the distribution clipped to the range and the same seen
   * through its codes (S. Migacz, "8-bit inference with TensorRT", GTC 2017). Values in the bin at
   * zero count as many as its neighbour's: they would outweigh all others. Clipped values that no
   * code tells of would make the divergence infinite; they count as if a trace of one did.
   */
  record Entropy(CodeGrid grid) implements ClippingRule {
    private static final double TRACE = 1e-4;

    /** Clipped into a single bin all distributions are alike. */
    private static final double LEAST_PART = 1.0 / 16;

    private static final double TIE = 1e-12;

    @Override
    public Range range(Histogram seen) {
      int used = seen.used();
      double[] counts = new double[used];
      for (int j = 0; j < used; j++) {
        counts[j] = seen.sized(j);
      }
      if (used > 1) {
        counts[0] = counts[1];
      }
      int best = used;
      double least = Double.POSITIVE_INFINITY;
      for (double part = 1; part * used >= 1 && part > LEAST_PART; part *= STEP) {
        int bins = (int) (used * part);
        double divergence = divergence(counts, bins);
        if (divergence < least - TIE) {
          least = divergence;
          best = bins;
        }
      }
      return upTo(best * seen.width(), seen);
    }

    /** Of the first bins, the last of them holding all beyond, from what codes make of them. */
    private double divergence(double[] counts, int bins) {
      double[] wanted = new double[bins];
      System.arraycopy(counts, 0, wanted, 0, bins);
      double kept = 0;
      for (double c : wanted) {
        kept += c;
      }
      if (kept == 0) {
        return Double.POSITIVE_INFINITY;
      }
      double clipped = 0;
      for (int j = bins; j < counts.length; j++) {
        clipped += counts[j];
      }
      wanted[bins - 1] += clipped;
      double[] coded = coded(counts, wanted, bins);
      double sum = 0;
      for (int j = 0; j < bins; j++) {
        if (wanted[j] > 0) {
          double p = wanted[j] / (kept + clipped);
          sum += p * Math.log(p * kept / Math.max(coded[j], TRACE));
        }
      }
      return sum;
    }

    /** Bins that share a code become equal, as far as they hold anything. */
    private double[] coded(double[] counts, double[] wanted, int bins) {
      double[] out = new double[bins];
      double perBin = grid.largest() / bins;
      int from = 0;
      while (from < bins) {
        double code = grid.nearest((from + 0.5) * perBin);
        int to = from;
        double mass = 0;
        int filled = 0;
        while (to < bins && grid.nearest((to + 0.5) * perBin) == code) {
          mass += counts[to];
          filled += wanted[to] > 0 ? 1 : 0;
          to++;
        }
        for (int j = from; j < to && filled > 0; j++) {
          out[j] = wanted[j] > 0 ? mass / filled : 0;
        }
        from = to;
      }
      return out;
    }
  }
}
