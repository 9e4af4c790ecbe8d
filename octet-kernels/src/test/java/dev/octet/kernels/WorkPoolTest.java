package dev.octet.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class WorkPoolTest {
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 9})
  void everyIndexRunsOnce(int threads) {
    try (WorkPool pool = new WorkPool(threads)) {
      for (int count : new int[] {0, 1, 2, 3, 5, 8, 9, 10, 1000}) {
        requireEachOnce(pool, count);
      }
    }
  }

  private static void requireEachOnce(WorkPool pool, int count) {
    AtomicIntegerArray runs = new AtomicIntegerArray(count);
    pool.run(count, runs::incrementAndGet);
    for (int i = 0; i < count; i++) {
      assertThat(runs.get(i)).as("index %d of %d", i, count).isEqualTo(1);
    }
  }

  /** Pauses of all lengths meet threads that look, that park and that are between the two. */
  @ParameterizedTest
  @ValueSource(ints = {2, 4, 16})
  void nothingIsLostInManyCallsInARow(int threads) {
    try (WorkPool pool = new WorkPool(threads)) {
      for (int round = 0; round < 3000; round++) {
        requireEachOnce(pool, 2 + round % 40);
        if (round % 16 == 0) {
          LockSupport.parkNanos(round % 7 * 20_000L);
        }
      }
    }
  }

  @Test
  void whatTasksWroteIsThereAfterwards() {
    try (WorkPool pool = new WorkPool(4)) {
      int[] values = new int[64];
      for (int round = 1; round < 2000; round++) {
        int now = round;
        pool.run(values.length, i -> values[i] = now);
        assertThat(values).containsOnly(round);
      }
    }
  }

  @Test
  void whatATaskThrowsIsThrownAfterAllHaveStopped() {
    try (WorkPool pool = new WorkPool(4)) {
      AtomicInteger running = new AtomicInteger();
      for (int round = 0; round < 200; round++) {
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
        requireEachOnce(pool, 50);
      }
    }
  }

  @Test
  void errorsAreThrownToo() {
    try (WorkPool pool = new WorkPool(2)) {
      IntConsumer task =
          _ -> {
            throw new StackOverflowError("deep");
          };
      assertThatThrownBy(() -> pool.run(8, task)).isInstanceOf(StackOverflowError.class);
    }
  }

  @Test
  void anInterruptStaysPendingAndEndsNoCall() {
    try (WorkPool pool = new WorkPool(2)) {
      Thread.currentThread().interrupt();
      AtomicInteger done = new AtomicInteger();
      pool.run(
          8,
          _ -> {
            LockSupport.parkNanos(2_000_000);
            done.incrementAndGet();
          });
      assertThat(Thread.interrupted()).isTrue();
      assertThat(done).hasValue(8);
    }
  }

  @Test
  void aCallFromWithinATaskRunsInPlace() {
    try (WorkPool pool = new WorkPool(3)) {
      AtomicInteger inner = new AtomicInteger();
      pool.run(10, _ -> pool.run(10, _ -> inner.incrementAndGet()));
      assertThat(inner).hasValue(100);
    }
  }

  @Test
  void callersMayBeSeveral() throws InterruptedException {
    try (WorkPool pool = new WorkPool(3)) {
      AtomicInteger sum = new AtomicInteger();
      List<Thread> callers = new ArrayList<>();
      for (int c = 0; c < 4; c++) {
        callers.add(
            Thread.ofPlatform()
                .start(
                    () -> {
                      for (int round = 0; round < 500; round++) {
                        pool.run(20, _ -> sum.incrementAndGet());
                      }
                    }));
      }
      for (Thread caller : callers) {
        caller.join();
      }
      assertThat(sum).hasValue(4 * 500 * 20);
    }
  }

  @Test
  void aClosedPoolRefusesWorkForSeveralThreads() {
    WorkPool pool = new WorkPool(3);
    pool.close();
    assertThatThrownBy(() -> pool.run(100, _ -> {})).isInstanceOf(RejectedExecutionException.class);
  }

  @Test
  void closingWhileACallIsUnderWayLetsItFinish() throws InterruptedException {
    WorkPool pool = new WorkPool(3);
    AtomicInteger done = new AtomicInteger();
    CountDownLatch begun = new CountDownLatch(1);
    Thread closer =
        Thread.ofPlatform()
            .start(
                () -> {
                  try {
                    begun.await();
                  } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                  }
                  pool.close();
                });
    pool.run(
        30,
        _ -> {
          begun.countDown();
          LockSupport.parkNanos(1_000_000);
          done.incrementAndGet();
        });
    closer.join();
    assertThat(done).hasValue(30);
  }

  @Test
  void theThreadsOfAClosedPoolEnd() throws InterruptedException {
    WorkPool pool = new WorkPool(5);
    List<Thread> seen = new ArrayList<>();
    CountDownLatch all = new CountDownLatch(5);
    pool.run(
        5,
        _ -> {
          synchronized (seen) {
            seen.add(Thread.currentThread());
          }
          all.countDown();
          try {
            assertThat(all.await(30, TimeUnit.SECONDS)).isTrue();
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
        });
    pool.close();
    pool.close();
    assertThat(seen).hasSize(5).doesNotHaveDuplicates().contains(Thread.currentThread());
    for (Thread thread : seen) {
      if (!thread.equals(Thread.currentThread())) {
        thread.join(30_000);
        assertThat(thread.isAlive()).isFalse();
      }
    }
  }

  @Test
  void aPoolNeedsAThread() {
    assertThatThrownBy(() -> new WorkPool(0)).hasMessageContaining("at least 1");
  }
}
