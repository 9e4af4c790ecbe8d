package dev.octet.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The most memory of its own that this process holds while this is open ({@code RssAnon} of
 * proc_pid_status(5)): heap and everything allocated, but not the pages of mapped files, which the
 * system takes back when it needs them. Looked at 50 times a second; 0 where the system does not
 * say.
 */
final class AnonymousMemory implements AutoCloseable {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final String FIELD = "RssAnon:";
  private static final long PAUSE = 20;

  private final AtomicLong most = new AtomicLong();
  private final Thread watcher =
      Thread.ofPlatform().daemon().name("octet-memory").unstarted(this::watch);

  AnonymousMemory() {
    watcher.start();
  }

  private void watch() {
    try {
      while (!Thread.currentThread().isInterrupted()) {
        most.accumulateAndGet(now(), Math::max);
        Thread.sleep(PAUSE);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static long now() {
    try {
      return Files.readAllLines(STATUS).stream()
          .filter(line -> line.startsWith(FIELD))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      return 0;
    }
  }

  /** Bytes, until now. */
  long most() {
    return most.get();
  }

  @Override
  public void close() {
    watcher.interrupt();
  }
}
