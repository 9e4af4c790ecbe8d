package dev.octet.engine;

import java.util.Locale;

/** Why a generation ended. */
public enum FinishReason {
  /** An end token or a stop string. */
  STOP,
  /** {@code maxTokens}, or the model's context is full. */
  LENGTH,
  /** The listener wanted no more. */
  CANCELLED;

  /** As the OpenAI API spells it. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
