package dev.octet.quantize;

/** Hears how far a long task is. Called on the thread that works; must return quickly. */
@FunctionalInterface
public interface Progress {
  /** Says nothing. */
  Progress NONE = (done, total, what) -> {};

  /**
   * @param done units finished: layers, windows
   * @param total units in all
   * @param what the unit that was just finished, for the person watching
   */
  void update(long done, long total, String what);
}
