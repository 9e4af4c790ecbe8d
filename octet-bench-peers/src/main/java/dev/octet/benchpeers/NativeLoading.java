package dev.octet.benchpeers;

import dev.octet.bench.peer.PeerException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Turns what a native library throws into one line. */
final class NativeLoading {
  private NativeLoading() {}

  /** Loads a library and opens its session. */
  static <T> T load(String peer, Supplier<T> open) {
    try {
      return open.get();
    } catch (LinkageError | RuntimeException e) {
      if (e instanceof PeerException p) {
        throw p;
      }
      throw new PeerException(
          peer + " cannot be loaded on this machine: " + reason(e) + "; leave it out of --compare",
          e);
    }
  }

  /** Prepares a computation. */
  static <T> T prepare(String what, Supplier<T> make) {
    try {
      return make.get();
    } catch (PeerException e) {
      throw e;
    } catch (RuntimeException e) {
      throw new PeerException(what + " refuses: " + reason(e), e);
    }
  }

  private static String reason(Throwable e) {
    Throwable deepest = e;
    while (deepest.getCause() != null) {
      deepest = deepest.getCause();
    }
    String message = firstLine(deepest.getMessage());
    return message == null ? deepest.getClass().getSimpleName() : message;
  }

  private static @Nullable String firstLine(@Nullable String text) {
    return text == null ? null : text.lines().map(String::strip).findFirst().orElse(null);
  }
}
