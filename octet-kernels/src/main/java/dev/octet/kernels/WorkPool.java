package dev.octet.kernels;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;

/**
 * The bounded pool that every kernel splits its work over. The calling thread takes part, so a pool
 * of one thread runs everything in place. Tasks are handed out one at a time, so uneven ones
 * (causal rows, ragged sequences) balance themselves.
 */
public final class WorkPool implements AutoCloseable {
  private final int threads;
  private final ExecutorService helpers;

  /**
   * @param threads how many threads work at once, the caller included; at least 1
   */
  public WorkPool(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("threads must be at least 1, not " + threads);
    }
    this.threads = threads;
    this.helpers =
        Executors.newFixedThreadPool(
            Math.max(1, threads - 1),
            Thread.ofPlatform().daemon().name("octet-worker-", 0).factory());
  }

  /** A pool of as many threads as the machine has cores. */
  public static WorkPool ofCores() {
    return new WorkPool(Runtime.getRuntime().availableProcessors());
  }

  public int threads() {
    return threads;
  }

  /**
   * Runs {@code task} for every index below {@code count} and waits for all of them. What a task
   * throws is thrown here, after the others have stopped. Not to be called from within a task.
   */
  public void run(int count, IntConsumer task) {
    int workers = Math.min(threads, count);
    if (workers <= 1) {
      for (int i = 0; i < count; i++) {
        task.accept(i);
      }
      return;
    }
    AtomicInteger next = new AtomicInteger();
    AtomicReference<Throwable> failure = new AtomicReference<>();
    CountDownLatch done = new CountDownLatch(workers - 1);
    Runnable loop =
        () -> {
          try {
            for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
              task.accept(i);
            }
          } catch (RuntimeException | Error e) {
            failure.compareAndSet(null, e);
            next.set(count);
          }
        };
    for (int w = 1; w < workers; w++) {
      try {
        helpers.execute(
            () -> {
              loop.run();
              done.countDown();
            });
      } catch (RejectedExecutionException e) { // closed meanwhile: wait for those that started
        failure.compareAndSet(null, e);
        next.set(count);
        done.countDown();
      }
    }
    loop.run();
    awaitUninterruptibly(done);
    Throwable thrown = failure.get();
    if (thrown instanceof RuntimeException e) {
      throw e;
    } else if (thrown instanceof Error e) {
      throw e;
    }
  }

  private static void awaitUninterruptibly(CountDownLatch done) {
    boolean interrupted = false;
    while (true) {
      try {
        done.await();
        break;
      } catch (InterruptedException _) {
        interrupted = true; // the tasks write to memory the caller may free: wait for them
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    helpers.shutdown();
  }
}
