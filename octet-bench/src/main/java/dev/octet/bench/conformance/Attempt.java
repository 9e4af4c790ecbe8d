package dev.octet.bench.conformance;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * What became of an action that may hang, overflow the stack or exhaust memory, run on a thread of
 * its own. Its time is the processor's, so that a busy machine judges as an idle one does; what
 * waits without computing gets many times as long.
 *
 * @param thrown what it threw, or null
 * @param timedOut whether it was still running when time was up
 * @param allocated heap bytes that it allocated; 0 if it timed out
 */
record Attempt(@Nullable Throwable thrown, boolean timedOut, long allocated) {

  private static final int PATIENCE = 24;
  private static final Duration LOOK = Duration.ofMillis(20);

  /**
   * Runs it.
   *
   * @param limit of the processor's time
   */
  static Attempt of(Runnable action, Duration limit) {
    AtomicReference<@Nullable Attempt> result = new AtomicReference<>();
    Thread thread =
        Thread.ofPlatform()
            .daemon() // one that hangs must not keep the process alive
            .name("octet-verify-attempt")
            .start(() -> result.set(measure(action)));
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long deadline = System.nanoTime() + PATIENCE * limit.toNanos();
    try {
      while (!thread.join(LOOK)
          && threads.getThreadCpuTime(thread.threadId()) < limit.toNanos()
          && System.nanoTime() < deadline) {}
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
    }
    Attempt attempt = result.get();
    if (attempt != null) {
      return attempt;
    }
    thread.interrupt();
    return new Attempt(null, true, 0);
  }

  private static Attempt measure(Runnable action) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    Throwable thrown = null;
    try {
      action.run();
    } catch (RuntimeException | Error e) {
      thrown = e;
    }
    return new Attempt(thrown, false, threads.getCurrentThreadAllocatedBytes() - before);
  }
}
