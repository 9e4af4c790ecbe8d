package dev.octet.model;

import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * What follows the last decoder layer, run by itself: the last norm and the projection to the
 * vocabulary. With {@link LayerRunner} it makes a whole model of layers that can be exchanged.
 */
public final class HeadRunner implements AutoCloseable {
  private final Kernels kernels;
  private final Arena arena = Arena.ofShared();
  private final RmsNorm norm;
  private final Linear head;

  /**
   * Loads both.
   *
   * @param source stays the caller's and must outlive this
   * @throws dev.octet.checkpoint.CheckpointException if a weight is absent or damaged
   */
  public HeadRunner(WeightSource source, Kernels kernels) {
    this.kernels = kernels;
    try {
      this.norm = RmsNorm.load(source, "model.norm", source.config().hiddenSize(), arena);
      this.head = kernels.linear(source.lmHead(), arena);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  /** Tokens that are told apart. */
  public int vocabulary() {
    return Math.toIntExact(head.outFeatures());
  }

  /**
   * Logits of what the last layer has left.
   *
   * @param hidden F32 [rows, hidden]; stays as it is
   * @return F32 [rows, vocab]
   */
  public Tensor logits(Tensor hidden, Arena to) {
    Tensor normed = Tensor.allocate(to, DType.F32, hidden.shape());
    norm.apply(kernels, hidden, normed);
    Tensor logits = Tensor.allocate(to, DType.F32, hidden.rows(), head.outFeatures());
    head.apply(normed, logits);
    return logits;
  }

  @Override
  public void close() {
    arena.close();
  }
}
