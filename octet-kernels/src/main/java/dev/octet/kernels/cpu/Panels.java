package dev.octet.kernels.cpu;

import dev.octet.kernels.WorkPool;

/**
 * The panels of one or more weights, counted through, in tasks. A task begins with a group of
 * panels that are multiplied together.
 *
 * @param each panels of a group
 * @param groups of all weights
 * @param last panels: the last group may be smaller
 * @param stretches of tasks that shrink towards their end; 0: all tasks are alike
 */
record Panels(int tasks, int each, int groups, int last, int stretches) {
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
    return of(weight.codeBytes(), rows, each, groups, weight.panels(), pool);
  }

  /** The groups of weights of so many bytes of codes in all. */
  static Panels of(long bytes, int rows, int each, int groups, int last, WorkPool pool) {
    long worth = bytes / LEAST_BYTES * Math.ceilDiv(rows, ROWS_A_READ);
    int threads = pool.threads();
    int most = threads == 1 ? 1 : Math.min(groups, TASKS_A_THREAD * threads);
    int tasks = (int) Math.max(1, Math.min(most, worth));
    boolean shrinks = rows <= ROWS_A_READ && threads > 1 && tasks == TASKS_A_THREAD * threads;
    return new Panels(tasks, each, groups, last, shrinks ? threads : 0);
  }

  /**
   * First group of a task. Where reading takes the time, a thread's tasks become smaller the nearer
   * its stretch comes to its end: nobody waits long for another's last one. What is left after j of
   * n tasks is (1 − j/n)².
   */
  int group(int task) {
    if (stretches == 0) {
      return (int) ((long) groups * task / tasks);
    }
    int inStretch = tasks / stretches;
    int stretch = task / inStretch;
    long begin = (long) groups * stretch / stretches;
    long end = (long) groups * (stretch + 1) / stretches;
    int left = inStretch - task % inStretch;
    return (int) (end - (end - begin) * left * left / ((long) inStretch * inStretch));
  }

  /** First panel of a task; that of an empty one is its end. */
  int from(int task) {
    return Math.min(last, each * group(task));
  }

  /** One past its last panel. */
  int end(int task) {
    return from(task + 1);
  }
}
