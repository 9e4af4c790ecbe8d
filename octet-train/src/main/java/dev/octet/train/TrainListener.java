package dev.octet.train;

/** Told how a run goes; called on the training thread. */
public interface TrainListener {
  /** One line about what begins now. */
  void note(String line);

  /** After every update. */
  void progress(Progress progress);

  /** After every measurement of the validation loss. */
  void validated(long step, double loss);

  /**
   * Where a run stands.
   *
   * @param step updates done
   * @param steps updates in all
   * @param loss mean cross-entropy of this update's tokens, in nats
   * @param learningRate rate of this update
   * @param gradientNorm 2-norm of the gradient before clipping
   * @param tokensPerSecond speed over the last updates
   * @param secondsLeft time to the end at that speed
   */
  record Progress(
      long step,
      long steps,
      double loss,
      double learningRate,
      double gradientNorm,
      double tokensPerSecond,
      double secondsLeft) {
    /** One line for a terminal, without a line end. */
    public String line() {
      long left = Math.round(secondsLeft);
      return String.format(
          java.util.Locale.ROOT,
          "step %d/%d  loss %.4f  %,.0f tokens/s  lr %.1e  %d:%02d:%02d left",
          step,
          steps,
          loss,
          tokensPerSecond,
          learningRate,
          left / 3600,
          left / 60 % 60,
          left % 60);
    }
  }
}
