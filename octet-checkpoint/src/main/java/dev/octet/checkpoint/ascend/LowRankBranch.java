package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.LowRank;
import dev.octet.tensor.Tensor;

/**
 * The product of low rank that was taken out of a weight before it was quantized (SVDQuant): {@code
 * .svd_lowrank_l1} [rank, k], {@code .svd_lowrank_l2} [n, rank], {@code y += (x·l1ᵀ)·l2ᵀ}. Its x is
 * what the weight multiplies, smoothed and turned, but not quantized.
 */
record LowRankBranch(StoredTensors tensors, LinearShape shape) {
  static final String DOWN = ".svd_lowrank_l1";
  static final String UP = ".svd_lowrank_l2";

  boolean stored() {
    return tensors.has(shape.module() + DOWN) || tensors.has(shape.module() + UP);
  }

  /** Refuses what {@link #of} would. */
  void check() {
    if (stored()) {
      product();
    }
  }

  /** The layer beside it. */
  LinearWeights of(LinearWeights layer) {
    return stored() ? layer.withLowRank(product()) : layer;
  }

  private LowRank product() {
    String name = shape.module() + DOWN;
    Tensor down = tensors.get(name);
    long rank = down.rank() == 2 ? down.dim(0) : 0;
    if (rank < 1 || rank > Math.min(shape.rows(), shape.columns())) {
      throw tensors.problem(
          name,
          "is %s, expected [rank, %d] with a rank from 1 to %d"
              .formatted(down, shape.columns(), Math.min(shape.rows(), shape.columns())));
    }
    return new LowRank(
        new DenseWeight(tensors.require(name, DenseFormat.FLOATS, rank, shape.columns())),
        new DenseWeight(
            tensors.require(shape.module() + UP, DenseFormat.FLOATS, shape.rows(), rank)));
  }
}
