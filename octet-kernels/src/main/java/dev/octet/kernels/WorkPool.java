package dev.octet.kernels;

import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.IntConsumer;

/**
 * The bounded pool that every kernel splits its work over. The calling thread takes part, so a pool
 * of one thread runs everything in place. Every thread begins with its own stretch of the indices,
 * the same one in every call of as many, so that what it read last time is still in its caches; who
 * is done takes over from others, one index at a time, so uneven tasks (causal rows, ragged
 * sequences) balance themselves.
 *
 * <p>Threads are started with the first call that needs them and stay. Between calls they wait as
 * {@link Patience} says: awake for some tens of microseconds, because in a decode step the next
 * call follows at once, then parked. A thread that the system does not run holds nothing up: a call
 * waits for tasks that were begun, not for threads. Calls allocate nothing.
 */
public final class WorkPool implements AutoCloseable {
  private final int threads;
  private final ParallelLoop loop;
  private final PoolThread[] helpers;
  private final AtomicBoolean inUse = new AtomicBoolean();
  private boolean started;
  private volatile boolean closed;

  /**
   * @param threads how many threads work at once, the caller included; 1 to 32767
   */
  public WorkPool(int threads) {
    if (threads < 1 || threads > ParallelLoop.MOST_WORKERS) {
      throw new IllegalArgumentException(
          "threads must be at least 1 and at most %d, not %d"
              .formatted(ParallelLoop.MOST_WORKERS, threads));
    }
    this.threads = threads;
    this.loop = new ParallelLoop(threads);
    this.helpers = new PoolThread[threads - 1];
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
   * throws is thrown here, after the others have stopped; indices not begun by then are left out. A
   * call while another thread's is under way, or from within a task, runs in place. An interrupt
   * does not end the wait, because tasks write to memory the caller may free; it stays pending.
   *
   * @throws RejectedExecutionException if the pool has been closed and the work is for several
   */
  public void run(int count, IntConsumer task) {
    int workers = Math.min(threads, count);
    if (workers > 1 && closed) {
      throw new RejectedExecutionException("the pool of threads has been closed");
    }
    if (workers <= 1 || !inUse.compareAndSet(false, true)) {
      for (int i = 0; i < count; i++) {
        task.accept(i);
      }
      return;
    }
    Throwable thrown;
    try {
      start();
      loop.open(count, workers, task);
      for (int h = 0; h < workers - 1; h++) {
        helpers[h].wake();
      }
      loop.work(0);
      thrown = loop.finish();
    } finally {
      inUse.set(false);
    }
    if (thrown instanceof RuntimeException e) {
      throw e;
    } else if (thrown instanceof Error e) {
      throw e;
    } else if (thrown != null) {
      throw new IllegalStateException(thrown);
    }
  }

  private void start() {
    if (!started) {
      for (int h = 0; h < helpers.length; h++) {
        helpers[h] = new PoolThread(loop, h + 1, threads);
      }
      for (PoolThread helper : helpers) {
        helper.start();
      }
      started = true;
    }
  }

  /** Lets the threads end; a call that is under way is finished first. Idempotent. */
  @Override
  public void close() {
    closed = true;
    loop.end();
    for (PoolThread helper : helpers) {
      if (helper != null) {
        helper.wake();
      }
    }
  }
}
