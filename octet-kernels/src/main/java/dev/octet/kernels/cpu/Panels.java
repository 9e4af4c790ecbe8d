package dev.octet.kernels.cpu;

import dev.octet.kernels.WorkPool;

/**
 * The panels of one or more weights, counted through, in tasks. A task begins with a group of
 * panels that are multiplied together.
 *
 * @param each panels of a group
 * @param groups of all weights
 * @param last panels: the last group may be smaller
 */
record Panels(int tasks, int each, int groups, int last) {
  /** Tasks a thread: enough to even out, few enough that each reads long stretches of memory. */
  private static final int TASKS_A_THREAD = 8;

  /**
   * Bytes of codes that a task reads at least for a few rows: below this, others take longer to
   * join than the work takes.
   */
  private static final long LEAST_BYTES = 1 << 16;

  /** Rows that are multiplied in the time that one takes to read. */
  private static final int ROWS_A_READ = 8;

  static Panels of(PackedWeight weight, int rows, int each, WorkPool pool) {
    int groups = Math.ceilDiv(weight.panels(), each);
    int tasks = tasks(weight.codeBytes(), rows, groups, pool);
    return new Panels(tasks, each, groups, weight.panels());
  }

  /** Tasks for so many bytes of codes. */
  static int tasks(long bytes, int rows, int groups, WorkPool pool) {
    long worth = bytes / LEAST_BYTES * Math.ceilDiv(rows, ROWS_A_READ);
    int most = pool.threads() == 1 ? 1 : Math.min(groups, TASKS_A_THREAD * pool.threads());
    return (int) Math.max(1, Math.min(most, worth));
  }

  /** First panel of a task. */
  int from(int task) {
    return each * (int) ((long) groups * task / tasks);
  }

  /** One past its last panel. */
  int end(int task) {
    return Math.min(last, from(task + 1));
  }
}
