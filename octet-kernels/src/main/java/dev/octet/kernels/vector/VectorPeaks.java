package dev.octet.kernels.vector;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.kernels.Peaks.Arithmetic;
import dev.octet.kernels.peak.PeakLoops;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.DoubleAdder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Peaks of the Vector API, which has fused multiply-adds of F32 and no integer dot products. */
public final class VectorPeaks implements PeakLoops {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Long> L = LongVector.SPECIES_PREFERRED;
  private static final int CHAINS = 16;

  /** Takes what was computed, so that no loop can be left out. */
  private final DoubleAdder sink = new DoubleAdder();

  /** Nothing to be set. */
  public VectorPeaks() {}

  @Override
  public String isa() {
    return VectorKernels.width();
  }

  @Override
  public List<Loop> arithmetic() {
    return List.of(
        new Loop(
            Arithmetic.F32,
            "fma",
            rounds -> {
              sink.add(multiply(rounds));
              return 2.0 * CHAINS * F.length() * rounds;
            }));
  }

  @Override
  public MemorySegment allocate(long bytes, Arena arena) {
    return arena.allocate(bytes, 64);
  }

  @Override
  public void read(MemorySegment memory) {
    sink.add((double) sum(memory));
  }

  private static long sum(MemorySegment memory) {
    LongVector a = LongVector.zero(L);
    LongVector b = a;
    LongVector c = a;
    LongVector d = a;
    long step = L.vectorByteSize();
    for (long i = 0; i < memory.byteSize(); i += 4 * step) {
      a = a.add(LongVector.fromMemorySegment(L, memory, i, LITTLE_ENDIAN));
      b = b.add(LongVector.fromMemorySegment(L, memory, i + step, LITTLE_ENDIAN));
      c = c.add(LongVector.fromMemorySegment(L, memory, i + 2 * step, LITTLE_ENDIAN));
      d = d.add(LongVector.fromMemorySegment(L, memory, i + 3 * step, LITTLE_ENDIAN));
    }
    return a.add(b).add(c).add(d).reduceLanes(VectorOperators.ADD);
  }

  /** Sixteen independent chains: enough to hide the latency of two FMA units. */
  private static float multiply(long rounds) {
    FloatVector x = FloatVector.broadcast(F, 0.999f);
    FloatVector y = FloatVector.broadcast(F, 1e-3f);
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
    for (long i = 0; i < rounds; i++) {
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
