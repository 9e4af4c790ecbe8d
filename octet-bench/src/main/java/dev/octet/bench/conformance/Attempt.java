package dev.octet.bench.conformance;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * What became of an action that may hang, overflow the stack or exhaust memory, run on a thread of
 * its own.
 *
 * @param thrown what it threw, or null
 * @param timedOut whether it was still running when time was up
 * @param allocated heap bytes that it allocated; 0 if it timed out
 */
record Attempt(@Nullable Throwable thrown, boolean timedOut, long allocated) {

  static Attempt of(Runnable action, Duration limit) {
    AtomicReference<@Nullable Attempt> result = new AtomicReference<>();
    Thread thread =
        Thread.ofPlatform()
            .daemon() // one that hangs must not keep the process alive
            .name("octet-verify-attempt")
            .start(() -> result.set(measure(action)));
    try {
      thread.join(limit);
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
