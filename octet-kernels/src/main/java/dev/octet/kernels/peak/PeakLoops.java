package dev.octet.kernels.peak;

import dev.octet.kernels.Peaks.Arithmetic;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** What one thread runs while a peak is measured. */
public interface PeakLoops {
  /** The instruction set, as the provider names it. */
  String isa();

  /**
   * A loop of one instruction on registers.
   *
   * @param instruction its mnemonic, or how it is reached
   */
  record Loop(Arithmetic kind, String instruction, Body body) {}

  /** The loop itself. */
  interface Body {
    /** Runs it; returns how many operations that were, a multiply-add counting two. */
    double run(long rounds);
  }

  /** One loop an instruction. */
  List<Loop> arithmetic();

  /** Memory of the kind that the provider's weights lie in, freed with the arena. */
  MemorySegment allocate(long bytes, Arena arena);

  /**
   * Reads all of it.
   *
   * @param memory outside the heap, a multiple of 4 KiB
   */
  void read(MemorySegment memory);
}
