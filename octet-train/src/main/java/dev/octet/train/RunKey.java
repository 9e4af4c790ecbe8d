package dev.octet.train;

/**
 * Which run a state belongs to.
 *
 * @param fingerprint of all that decides what is learned, but for how the learning rate rises and
 *     falls
 * @param steps the run has; the learning rate falls towards the last
 * @param warmup steps over which it rises
 */
record RunKey(long fingerprint, long steps, long warmup) {
  /**
   * Refuses to go on from another run. A run that is finished may go on to more steps; one that is
   * not keeps its own, since another length changes how fast it learns from here on.
   *
   * @param begun the run whose state is there
   * @param done its updates so far
   */
  void requireGoesOn(RunKey begun, long done, Object file) {
    if (fingerprint != begun.fingerprint) {
      throw new TrainException(
          file
              + " belongs to a run with other options or text: resume with the same ones, or start"
              + " anew");
    }
    boolean more = done >= begun.steps && steps > done;
    if (!equals(begun) && !more) {
      throw new TrainException(
          "%s is at step %d of a run with --steps %d --warmup %d: resume with these%s"
              .formatted(
                  file,
                  done,
                  begun.steps,
                  begun.warmup,
                  done >= begun.steps ? ", or with more steps than it has" : ""));
    }
  }
}
