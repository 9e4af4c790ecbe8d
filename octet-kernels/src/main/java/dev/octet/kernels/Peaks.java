package dev.octet.kernels;

import dev.octet.kernels.cpu.CpuKernels;
import dev.octet.kernels.peak.PeakLoops;
import dev.octet.kernels.vector.VectorPeaks;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/**
 * What this machine does at most, measured by all threads at once: what kernels are to be compared
 * with. Arithmetic is a loop of one instruction on registers alone, memory is read far beyond the
 * caches.
 *
 * @param isa instruction set of the loops
 * @param threads that worked at once
 * @param bytesPerSecond read from memory
 * @param arithmetic one entry an instruction
 */
public record Peaks(String isa, int threads, double bytesPerSecond, List<Peak> arithmetic) {
  /** What is multiplied; sums are as wide as the instruction makes them, at least 32 bits. */
  public enum Arithmetic {
    F32,
    BF16,
    INT8
  }

  /**
   * The rate of one instruction.
   *
   * @param instruction its mnemonic, or how it is reached
   * @param operationsPerSecond a multiply-add counts two
   */
  public record Peak(Arithmetic kind, String instruction, double operationsPerSecond) {}

  /** Bytes read in a round, by one thread at least; more than its share of any cache. */
  private static final long BYTES = 512L << 20;

  private static final long BYTES_A_THREAD = 32L << 20;

  /** A round of a loop takes at least this long, so that starting it does not count. */
  private static final double ROUND_SECONDS = 4e-3;

  /** Enough for a loop in Java to be compiled. */
  private static final int WARM_UPS = 100;

  private static final long WARM_UP_BYTES = 1 << 20;

  private static final int ROUNDS = 9;

  /** Rounds of reading alone. */
  private static final int READS = 5;

  private static final double LEAST_SECONDS = 0.5;

  public Peaks {
    arithmetic = List.copyOf(arithmetic);
  }

  /**
   * With the best instructions there are: C's where it can be used, else the Vector API's. Takes
   * about a second and half a GiB.
   */
  public static Peaks measure(int threads) {
    return measure(bestLoops(), threads);
  }

  private static PeakLoops bestLoops() {
    return Providers.hasNative() ? CpuKernels.peakLoops() : new VectorPeaks();
  }

  /**
   * These, but reading measured anew: what memory gives changes from minute to minute where others
   * use it, too. Takes a quarter of a second and, until it returns, half a GiB.
   */
  public Peaks readingNow() {
    PeakLoops loops = bestLoops();
    try (WorkPool pool = new WorkPool(threads);
        Arena arena = Arena.ofShared()) {
      MemorySegment memory = memory(loops, threads, arena);
      double read = 0;
      for (int r = 0; r < READS; r++) {
        read = Math.max(read, readRate(loops, memory, pool));
      }
      return reading(read);
    }
  }

  /** These, with another rate of reading. */
  public Peaks reading(double bytesPerSecond) {
    return new Peaks(isa, threads, bytesPerSecond, arithmetic);
  }

  static Peaks measure(PeakLoops loops, int threads) {
    try (WorkPool pool = new WorkPool(threads);
        Arena arena = Arena.ofShared()) {
      MemorySegment memory = memory(loops, threads, arena);
      List<PeakLoops.Loop> all = loops.arithmetic();
      long[] rounds = new long[all.size()];
      double[] best = new double[all.size()];
      for (int l = 0; l < rounds.length; l++) {
        rounds[l] = roundsOf(all.get(l), pool);
      }
      for (int i = 0; i < WARM_UPS; i++) {
        loops.read(memory.asSlice(0, WARM_UP_BYTES));
      }
      double read = 0;
      long start = System.nanoTime();
      for (int r = 0; r < ROUNDS || seconds(start) < LEAST_SECONDS; r++) {
        for (int l = 0; l < rounds.length; l++) {
          best[l] = Math.max(best[l], rate(all.get(l), rounds[l], pool));
        }
        read = Math.max(read, readRate(loops, memory, pool));
      }
      Peak[] peaks = new Peak[best.length];
      Arrays.setAll(peaks, l -> new Peak(all.get(l).kind(), all.get(l).instruction(), best[l]));
      return new Peaks(loops.isa(), threads, read, List.of(peaks));
    }
  }

  private static MemorySegment memory(PeakLoops loops, int threads, Arena arena) {
    long part = Math.max(BYTES / threads, BYTES_A_THREAD) / 4096 * 4096;
    return loops.allocate(part * threads, arena).fill((byte) 1);
  }

  private static double readRate(PeakLoops loops, MemorySegment memory, WorkPool pool) {
    long part = memory.byteSize() / pool.threads();
    long before = System.nanoTime();
    pool.run(pool.threads(), t -> loops.read(memory.asSlice(t * part, part)));
    return memory.byteSize() / seconds(before);
  }

  /** Rounds that take long enough, even where nothing interrupts them. */
  private static long roundsOf(PeakLoops.Loop loop, WorkPool pool) {
    long rounds = 1 << 12;
    while (leastSeconds(loop, rounds, pool) < ROUND_SECONDS) {
      rounds *= 2;
    }
    return rounds;
  }

  /** The first call also links what it calls, which would pass for a long round. */
  private static double leastSeconds(PeakLoops.Loop loop, long rounds, WorkPool pool) {
    double least = Double.MAX_VALUE;
    for (int i = 0; i < 3; i++) {
      long before = System.nanoTime();
      rate(loop, rounds, pool);
      least = Math.min(least, seconds(before));
    }
    return least;
  }

  private static double rate(PeakLoops.Loop loop, long rounds, WorkPool pool) {
    double[] operations = new double[pool.threads()];
    long before = System.nanoTime();
    pool.run(operations.length, t -> operations[t] = loop.body().run(rounds));
    double seconds = seconds(before);
    return Arrays.stream(operations).sum() / seconds;
  }

  private static double seconds(long since) {
    return (System.nanoTime() - since) / 1e9;
  }

  /**
   * Operations a second of the fastest instruction for a kind of arithmetic. Where there is none,
   * that of F32, which such products are then made with.
   */
  public double operationsPerSecond(Arithmetic kind) {
    return arithmetic.stream()
        .filter(peak -> peak.kind() == kind)
        .mapToDouble(Peak::operationsPerSecond)
        .max()
        .orElseGet(() -> kind == Arithmetic.F32 ? Double.NaN : operationsPerSecond(Arithmetic.F32));
  }
}
