package dev.octet.kernels;

import java.util.function.BooleanSupplier;

/** A thread of a {@link WorkPool}: waits for the next loop, joins it, and so on. */
final class PoolThread {
  private final ParallelLoop loop;
  private final int worker;
  private final Patience patience;
  private final BooleanSupplier called = this::called;
  private int seen;

  /**
   * @param worker its number in the loops, from 1
   * @param threads threads of the pool
   */
  PoolThread(ParallelLoop loop, int worker, int threads) {
    this.loop = loop;
    this.worker = worker;
    this.patience = new Patience(threads);
    this.seen = loop.number();
  }

  void start() {
    Thread.ofPlatform().daemon().name("octet-worker-" + worker).start(this::run);
  }

  /** Called after the loop was opened or ended. */
  void wake() {
    patience.wake();
  }

  private boolean called() {
    return loop.number() != seen || loop.ended();
  }

  private void run() {
    while (!loop.ended()) {
      patience.await(called);
      seen = loop.number();
      loop.join(seen, worker);
    }
  }
}
