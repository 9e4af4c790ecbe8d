package dev.octet.bench;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.kernels.WorkPool;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * What this machine can do at most, measured with the same Vector API the kernels use: the context
 * for their figures.
 *
 * @param readGbPerSecond 10⁹ bytes a second read from memory by all threads, far beyond the caches
 * @param fmaGflops 10⁹ F32 operations a second (an FMA counts two) in registers, by all threads
 */
public record Ceilings(double readGbPerSecond, double fmaGflops) {
  private static final long BYTES = 512L << 20;
  private static final int ROUNDS = 1 << 20;
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Long> L = LongVector.SPECIES_PREFERRED;

  /** Takes about three seconds and half a GiB. */
  public static Ceilings measure(int threads) {
    try (WorkPool pool = new WorkPool(threads);
        Arena arena = Arena.ofShared()) {
      MemorySegment memory = arena.allocate(BYTES, 64).fill((byte) 1);
      long[] sums = new long[threads];
      float[] results = new float[threads];
      long part = BYTES / threads / 4096 * 4096;
      Runnable read = () -> pool.run(threads, t -> sums[t] += read(memory, t * part, part));
      Runnable multiply = () -> pool.run(threads, t -> results[t] += multiply(t));
      double[] seconds = Stopwatch.medians(List.of(read, multiply), 0.5, 15);
      double operations = 2.0 * 16 * F.length() * ROUNDS * threads;
      return new Ceilings(part * threads / seconds[0] / 1e9, operations / seconds[1] / 1e9);
    }
  }

  private static long read(MemorySegment memory, long from, long length) {
    LongVector a = LongVector.zero(L);
    LongVector b = a;
    LongVector c = a;
    LongVector d = a;
    long step = L.vectorByteSize();
    long end = from + length;
    for (long i = from; i < end; i += 4 * step) {
      a = a.add(LongVector.fromMemorySegment(L, memory, i, LITTLE_ENDIAN));
      b = b.add(LongVector.fromMemorySegment(L, memory, i + step, LITTLE_ENDIAN));
      c = c.add(LongVector.fromMemorySegment(L, memory, i + 2 * step, LITTLE_ENDIAN));
      d = d.add(LongVector.fromMemorySegment(L, memory, i + 3 * step, LITTLE_ENDIAN));
    }
    return a.add(b).add(c).add(d).reduceLanes(VectorOperators.ADD);
  }

  /** Sixteen independent chains: enough to hide the latency of two FMA units. */
  private static float multiply(int seed) {
    FloatVector x = FloatVector.broadcast(F, 0.999f);
    FloatVector y = FloatVector.broadcast(F, 1e-3f * (seed + 1));
    FloatVector a0 = y;
    FloatVector a1 = y;
    FloatVector a2 = y;
    FloatVector a3 = y;
    FloatVector a4 = y;
    FloatVector a5 = y;
    FloatVector a6 = y;
    FloatVector a7 = y;
    FloatVector a8 = y;
    FloatVector a9 = y;
    FloatVector aa = y;
    FloatVector ab = y;
    FloatVector ac = y;
    FloatVector ad = y;
    FloatVector ae = y;
    FloatVector af = y;
    for (int i = 0; i < ROUNDS; i++) {
      a0 = a0.fma(x, y);
      a1 = a1.fma(x, y);
      a2 = a2.fma(x, y);
      a3 = a3.fma(x, y);
      a4 = a4.fma(x, y);
      a5 = a5.fma(x, y);
      a6 = a6.fma(x, y);
      a7 = a7.fma(x, y);
      a8 = a8.fma(x, y);
      a9 = a9.fma(x, y);
      aa = aa.fma(x, y);
      ab = ab.fma(x, y);
      ac = ac.fma(x, y);
      ad = ad.fma(x, y);
      ae = ae.fma(x, y);
      af = af.fma(x, y);
    }
    FloatVector low = a0.add(a1).add(a2).add(a3).add(a4).add(a5).add(a6).add(a7);
    FloatVector high = a8.add(a9).add(aa).add(ab).add(ac).add(ad).add(ae).add(af);
    return low.add(high).reduceLanes(VectorOperators.ADD);
  }
}
