package dev.octet.benchpeers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.bench.peer.PeerException;
import java.util.Locale;
import org.junit.jupiter.api.Test;

class NativeLoadingTest {
  @Test
  void aLibraryThatCannotBeLoadedIsOneLineWithTheReason() {
    assertThatThrownBy(
            () ->
                NativeLoading.load(
                    "libtorch",
                    () -> {
                      throw new ExceptionInInitializerError(
                          new UnsatisfiedLinkError("libgomp.so.1: not found\nand more"));
                    }))
        .isInstanceOf(PeerException.class)
        .hasMessageContainingAll("libtorch", "libgomp.so.1: not found", "--compare")
        .message()
        .hasLineCount(1);
  }

  @Test
  void whatAPeerRefusesKeepsItsOwnWords() {
    PeerException own = new PeerException("no such shape");
    assertThatThrownBy(
            () ->
                NativeLoading.prepare(
                    "x",
                    () -> {
                      throw own;
                    }))
        .isSameAs(own);
    assertThatThrownBy(
            () ->
                NativeLoading.prepare(
                    "x",
                    () -> {
                      throw new IllegalStateException();
                    }))
        .isInstanceOf(PeerException.class)
        .hasMessage("x refuses: IllegalStateException");
  }

  @Test
  void whatLoadsIsReturned() {
    assertThat(NativeLoading.load("x", () -> "y".toUpperCase(Locale.ROOT))).isEqualTo("Y");
  }
}
