package dev.octet.kernels;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * One loop over indices after another, each run by several threads. One word says which loop is
 * open, for how many threads, and how many are inside. Closing it and reading the last number is
 * one atomic step, so whoever comes late stays outside and is not waited for.
 */
final class ParallelLoop {
  /** Most threads of a loop: what the word has bits for. */
  static final int MOST_WORKERS = 0x7fff;

  private static final long INSIDE = 0xffffL;
  private static final int WORKERS_SHIFT = 16;
  private static final long CLOSED = 1L << 31;
  private static final int NUMBER_SHIFT = 32;

  /** Counters of threads lie this far apart: two cache lines, which processors fetch together. */
  private static final int APART = 32;

  private static final VarHandle STATE;
  private static final VarHandle FAILURE;
  private static final VarHandle NEXT = MethodHandles.arrayElementVarHandle(int[].class);

  static {
    try {
      MethodHandles.Lookup lookup = MethodHandles.lookup();
      STATE = lookup.findVarHandle(ParallelLoop.class, "state", long.class);
      FAILURE = lookup.findVarHandle(ParallelLoop.class, "failure", Throwable.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  /** Number of the loop, whether it is closed, its threads, threads inside without the caller. */
  private volatile long state = CLOSED;

  private volatile boolean ended;
  private volatile @Nullable Throwable failure;

  /** Where each thread's stretch goes on, at multiples of {@link #APART}; its end one after. */
  private final int[] stretches;

  private final Patience patience;
  private final BooleanSupplier left = this::allHaveLeft;
  private @Nullable IntConsumer task;
  private int workers;

  /**
   * @param threads most that take part
   */
  ParallelLoop(int threads) {
    this.stretches = new int[(threads + 1) * APART];
    this.patience = new Patience(threads);
  }

  /** Opens the next loop; the last one must be finished. */
  void open(int count, int threads, IntConsumer body) {
    task = body;
    workers = threads;
    for (int w = 0; w < threads; w++) {
      stretches[at(w)] = (int) ((long) count * w / threads);
      stretches[at(w) + 1] = (int) ((long) count * (w + 1) / threads);
    }
    long number = (state >>> NUMBER_SHIFT) + 1;
    state = number << NUMBER_SHIFT | (long) threads << WORKERS_SHIFT;
  }

  /** Number of the loop opened last. */
  int number() {
    return (int) (state >>> NUMBER_SHIFT);
  }

  /** Whether no loop follows. */
  boolean ended() {
    return ended;
  }

  void end() {
    ended = true;
  }

  /** Runs what is left of loop {@code number} as thread {@code worker}, unless it is closed. */
  void join(int number, int worker) {
    long seen = state;
    while ((int) (seen >>> NUMBER_SHIFT) == number
        && (seen & CLOSED) == 0
        && worker < (seen >>> WORKERS_SHIFT & MOST_WORKERS)) {
      long found = (long) STATE.compareAndExchange(this, seen, seen + 1);
      if (found == seen) {
        work(worker);
        leave();
        return;
      }
      seen = found;
    }
  }

  private void leave() {
    long now = (long) STATE.getAndAdd(this, -1L) - 1;
    if ((now & CLOSED) != 0 && (now & INSIDE) == 0) {
      patience.wake();
    }
  }

  private boolean allHaveLeft() {
    return (state & INSIDE) == 0;
  }

  /** Takes indices, of its own stretch first, until none is left. */
  void work(int worker) {
    IntConsumer body = task;
    if (body == null) {
      throw new IllegalStateException("no loop is open");
    }
    try {
      for (int w = 0; w < workers; w++) {
        int owner = worker + w < workers ? worker + w : worker + w - workers;
        int at = at(owner);
        int end = stretches[at + 1];
        while ((int) NEXT.getOpaque(stretches, at) < end) {
          int i = (int) NEXT.getAndAdd(stretches, at, 1);
          if (i < end) {
            body.accept(i);
          }
        }
      }
    } catch (Throwable e) { // whatever it is, the caller must not wait for ever
      FAILURE.compareAndSet(this, null, e);
      for (int w = 0; w < workers; w++) {
        NEXT.setVolatile(stretches, at(w), stretches[at(w) + 1]);
      }
    }
  }

  /** Closes the loop, waits for who is inside, and returns what a task threw first. */
  @Nullable Throwable finish() {
    long before = (long) STATE.getAndBitwiseOr(this, CLOSED);
    if ((before & INSIDE) != 0) {
      patience.await(left);
    }
    task = null;
    Throwable thrown = failure;
    failure = null;
    return thrown;
  }

  private static int at(int worker) {
    return (worker + 1) * APART;
  }
}
