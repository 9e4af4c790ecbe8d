package dev.octet.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.octet.kernels.WorkPool;
import java.lang.management.ManagementFactory;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Test;

/** What happens thousands of times a second leaves no garbage. */
class AllocationTest {
  @Test
  void callsOfThePoolAllocateNothing() {
    try (WorkPool pool = new WorkPool(2)) {
      IntConsumer task = _ -> {};
      assertThat(leastBytes(10_000, () -> pool.run(4, task))).isLessThan(1);
    }
  }

  /** Bytes the calling thread allocates in a call, in the best of several rounds. */
  private static double leastBytes(int calls, Runnable program) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    double least = Double.MAX_VALUE;
    for (int round = 0; round < 5; round++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < calls; i++) {
        program.run();
      }
      long bytes = threads.getCurrentThreadAllocatedBytes() - before;
      least = Math.min(least, bytes / (double) calls);
    }
    return least;
  }
}
