package dev.octet.tensor;

/**
 * A product of two thin matrices beside a weight, {@code y += (x·downᵀ)·upᵀ}: what the codes of the
 * rest could not hold well (SVDQuant, arXiv 2411.05007).
 *
 * @param down F32, F16 or BF16 [rank, k]
 * @param up the same [n, rank]
 */
public record LowRank(DenseWeight down, DenseWeight up) {
  public LowRank {
    if (down.rows() < 1 || down.rows() != up.columns()) {
      throw new IllegalArgumentException(
          "[%d, %d] and [%d, %d] make no product of low rank"
              .formatted(down.rows(), down.columns(), up.rows(), up.columns()));
    }
  }

  /** Rank of the product. */
  public long rank() {
    return down.rows();
  }

  /** Bytes in memory. */
  public long byteSize() {
    return down.byteSize() + up.byteSize();
  }

  /** Adds a row of {@code up·down}, summed in double. */
  public void addTo(long row, float[] weights) {
    float[] factors = new float[Math.toIntExact(rank())];
    up.dequantizeRow(row, factors);
    double[] sums = new double[weights.length];
    float[] part = new float[weights.length];
    for (int i = 0; i < factors.length; i++) {
      down.dequantizeRow(i, part);
      for (int j = 0; j < part.length; j++) {
        sums[j] += (double) factors[i] * part[j];
      }
    }
    for (int j = 0; j < weights.length; j++) {
      weights[j] = (float) (weights[j] + sums[j]);
    }
  }
}
