package dev.octet.quantize.calibrate;

import dev.octet.quantize.observe.ObserverSpec;

/**
 * What of attention gets static scales, from keys after the rotary embedding and values as the
 * quantized projections make them. Batch and head axes are never mixed: every scale sees the values
 * of its own head or channel in all sequences.
 */
public sealed interface AttentionQuant {
  /** One line for people. */
  String describe();

  /**
   * FAQuant of msModelSlim: INT8 for queries, keys and values, one symmetric scale a head, from the
   * shortest window that holds so many per cent of the head's values.
   *
   * @param query per cent for queries
   * @param key per cent for keys
   * @param value per cent for values
   */
  record FaQuant(double query, double key, double value) implements AttentionQuant {
    /** 99.99 % of queries and keys, all values. */
    public static final FaQuant USUAL = new FaQuant(99.99, 99.99, 100);

    /**
     * @throws IllegalArgumentException if a number is outside (0, 100]
     */
    public FaQuant {
      window(query);
      window(key);
      window(value);
    }

    static ObserverSpec window(double percent) {
      return new ObserverSpec(ObserverSpec.Kind.WINDOW, percent);
    }

    @Override
    public String describe() {
      return "FAQuant: INT8 scales of each head's queries, keys and values, windows that hold "
          + "%s, %s and %s %%".formatted(query, key, value);
    }
  }

  /**
   * C8: an INT8 cache, one scale for every channel of keys and of values.
   *
   * @param observer of a channel's values
   * @param offsets whether the codes are centred on the range by an offset; vllm-ascend decodes
   *     without one, so that only MindIE and Octet understand such a cache
   */
  record C8(ObserverSpec observer, boolean offsets) implements AttentionQuant {
    /** The whole range, symmetric. */
    public static final C8 USUAL = new C8(ObserverSpec.MIN_MAX, false);

    @Override
    public String describe() {
      return "C8: an INT8 cache with scales%s of every channel, observer %s"
          .formatted(offsets ? " and offsets" : "", observer);
    }
  }

  /**
   * An FP8 (E4M3) cache.
   *
   * @param perHead whether every head has its own scales, else a layer has one for keys and one for
   *     values
   * @param observer of their values
   */
  record KvFp8(boolean perHead, ObserverSpec observer) implements AttentionQuant {
    /** A scale a layer for the largest value, as vLLM's readers expect. */
    public static final KvFp8 USUAL = new KvFp8(false, ObserverSpec.MIN_MAX);

    @Override
    public String describe() {
      return "FP8 cache with a scale a %s for keys and one for values, observer %s"
          .formatted(perHead ? "head" : "layer", observer);
    }
  }
}
