package dev.octet.train;

import org.bytedeco.pytorch.GradMode;

/** Switches this thread's recording of gradients for the length of a try block. */
final class Gradients implements AutoCloseable {
  private final boolean before = GradMode.is_enabled();

  private Gradients() {}

  static Gradients off() {
    Gradients switched = new Gradients();
    GradMode.set_enabled(false);
    return switched;
  }

  static Gradients on() {
    Gradients switched = new Gradients();
    GradMode.set_enabled(true);
    return switched;
  }

  @Override
  public void close() {
    GradMode.set_enabled(before);
  }
}
