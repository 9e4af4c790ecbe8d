package dev.octet.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Times several programs against each other. Repetitions are interleaved (one of each, then again),
 * so that a change of clock or load meets all of them alike; the median leaves single disturbances
 * out.
 */
final class Stopwatch {
  /** A repetition shorter than this is run several times in a row. */
  private static final double SHORTEST_NANOS = 10e6;

  private static final double LONGEST_WARM_UP_NANOS = 30e9;

  /** Longer than threads of OpenMP, OpenBLAS and ONNX Runtime spin when their work is done. */
  private static final int QUIET_MILLIS = 40;

  /** After such a pause processors take a while to get back to their clock. */
  private static final double SETTLING_SECONDS = 10e-3;

  private Stopwatch() {}

  /**
   * Median seconds a call of each program.
   *
   * @param repetitions timed rounds, after a warm-up of each program, see {@link #warmUp}
   */
  static double[] medians(List<Runnable> programs, double warmUp, int repetitions) {
    return medians(programs, warmUp, repetitions, false);
  }

  /**
   * The same for programs with thread pools of their own, which spin for some milliseconds after
   * their work: before a program's turn all is quiet for a while, and calls that do not count, at
   * least one, wake its own threads.
   *
   * @param quiet false for programs that share their threads
   */
  static double[] medians(List<Runnable> programs, double warmUp, int repetitions, boolean quiet) {
    List<double[]> times = new ArrayList<>();
    int[] calls = new int[programs.size()];
    for (int p = 0; p < calls.length; p++) {
      times.add(new double[repetitions]);
      calls[p] = warmUp(programs.get(p), warmUp);
    }
    for (int r = 0; r < repetitions; r++) {
      for (int p = 0; p < calls.length; p++) {
        if (quiet) {
          rest();
          settle(programs.get(p));
        }
        times.get(p)[r] = seconds(programs.get(p), calls[p]);
      }
    }
    return times.stream().mapToDouble(Stopwatch::median).toArray();
  }

  /**
   * Runs until no call has been a tenth faster than the best before for {@code seconds}: on a busy
   * machine the compiler takes its time, and a fixed warm-up would time the interpreter. Returns
   * how many calls make one repetition.
   */
  private static int warmUp(Runnable program, double seconds) {
    long start = System.nanoTime();
    long improved = start;
    double best = Double.MAX_VALUE;
    long now = start;
    while (now - improved < seconds * 1e9 && now - start < LONGEST_WARM_UP_NANOS) {
      double time = seconds(program, 1) * 1e9;
      now = System.nanoTime();
      if (time < 0.9 * best) {
        best = time;
        improved = now;
      }
    }
    return (int) Math.max(1, Math.min(10_000, Math.ceil(SHORTEST_NANOS / best)));
  }

  /** Waits until threads that spin after their work have gone to sleep. */
  static void rest() {
    try {
      Thread.sleep(QUIET_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void settle(Runnable program) {
    long start = System.nanoTime();
    do {
      program.run();
    } while (System.nanoTime() - start < SETTLING_SECONDS * 1e9);
  }

  private static double seconds(Runnable program, int calls) {
    long start = System.nanoTime();
    for (int i = 0; i < calls; i++) {
      program.run();
    }
    return (System.nanoTime() - start) / 1e9 / calls;
  }

  static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
