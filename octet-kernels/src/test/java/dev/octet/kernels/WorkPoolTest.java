package dev.octet.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

class WorkPoolTest {
  @Test
  void everyIndexRunsOnce() {
    try (WorkPool pool = new WorkPool(3)) {
      for (int count : new int[] {0, 1, 2, 3, 1000}) {
        AtomicIntegerArray runs = new AtomicIntegerArray(count);
        pool.run(count, runs::incrementAndGet);
        for (int i = 0; i < count; i++) {
          assertThat(runs.get(i)).isEqualTo(1);
        }
      }
    }
  }

  @Test
  void whatATaskThrowsIsThrownAfterAllHaveStopped() {
    try (WorkPool pool = new WorkPool(4)) {
      AtomicInteger running = new AtomicInteger();
      assertThatThrownBy(
              () ->
                  pool.run(
                      1000,
                      i -> {
                        running.incrementAndGet();
                        if (i == 7) {
                          running.decrementAndGet();
                          throw new IllegalStateException("task 7");
                        }
                        running.decrementAndGet();
                      }))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("task 7");
      assertThat(running).hasValue(0);
    }
  }

  @Test
  void aClosedPoolRefusesWorkForSeveralThreads() {
    WorkPool pool = new WorkPool(3);
    pool.close();
    assertThatThrownBy(() -> pool.run(100, _ -> {})).isInstanceOf(RejectedExecutionException.class);
  }

  @Test
  void aPoolNeedsAThread() {
    assertThatThrownBy(() -> new WorkPool(0)).hasMessageContaining("at least 1");
  }
}
