package dev.octet.kernels;

import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * How one thread waits: it looks again and again for a while, then parks until it is woken. Looking
 * costs a core; waking a parked thread costs the waker a system call and takes tens of
 * microseconds, more on a virtual machine whose idle core has to be scheduled first. So it looks as
 * long as that has paid lately, at most {@link #LONGEST}: twice as long after a wait that would
 * have ended within that, half as long after another. Where the system took the core away
 * meanwhile, somebody else needs it: it parks and begins anew from {@link #SHORTEST}. Where there
 * are more threads than cores, it never looks.
 */
final class Patience {
  /** Nanoseconds; a decode step's pauses between two calls are shorter. */
  private static final long LONGEST = 50_000;

  private static final long SHORTEST = 1_000;

  /** Between two looks at the clock passes less than this, unless the core was taken away. */
  private static final long TAKEN_AWAY = 20_000;

  private static final int LOOKS = 32;

  private final boolean looks;
  private long budget = LONGEST;
  private volatile @Nullable Thread parked;

  /**
   * @param threads how many may be busy at once
   */
  Patience(int threads) {
    this.looks = threads <= Runtime.getRuntime().availableProcessors();
  }

  /** Returns once {@code done} is true. An interrupt does not end the wait; it stays pending. */
  void await(BooleanSupplier done) {
    if (done.getAsBoolean()) {
      return;
    }
    long start = System.nanoTime();
    if (!looks || !lookFor(done, start)) {
      park(done);
    }
    boolean paid = System.nanoTime() - start < LONGEST;
    budget = paid ? Math.min(LONGEST, 2 * budget) : Math.max(SHORTEST, budget / 2);
  }

  private boolean lookFor(BooleanSupplier done, long start) {
    long before = 0;
    while (true) {
      for (int i = 0; i < LOOKS; i++) {
        if (done.getAsBoolean()) {
          return true;
        }
        Thread.onSpinWait();
      }
      long waited = System.nanoTime() - start;
      if (waited - before > TAKEN_AWAY) {
        budget = SHORTEST;
        return false;
      }
      if (waited > budget) {
        return false;
      }
      before = waited;
    }
  }

  private void park(BooleanSupplier done) {
    boolean interrupted = false;
    parked = Thread.currentThread(); // seen by whoever makes it done after this line
    while (!done.getAsBoolean()) {
      LockSupport.park(this);
      interrupted |= Thread.interrupted();
    }
    parked = null;
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Called after what is waited for became true. */
  void wake() {
    Thread waiting = parked;
    if (waiting != null) {
      LockSupport.unpark(waiting);
    }
  }
}
