package dev.octet.quantize;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Gets weights freed that only pass through. Those made at load are packed into the kernels' own
 * layout and then belong to nobody, but the collector, which frees them, looks at the heap, where
 * next to nothing happens: without a word from here it would let as much pile up outside as the
 * machine has memory.
 */
public final class OffHeapGarbage {
  /** A collection takes some ten milliseconds: beside making so many weights it does not show. */
  private static final long OFTEN = 512L << 20;

  private static final AtomicLong SINCE = new AtomicLong();

  private OffHeapGarbage() {}

  /** Says that so many bytes were made outside the heap for the collector to free. */
  public static void made(long bytes) {
    if (SINCE.addAndGet(bytes) >= OFTEN) {
      SINCE.set(0);
      System.gc();
    }
  }
}
