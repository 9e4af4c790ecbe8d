package dev.octet.quantize.compare;

import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.LayerTap;
import dev.octet.model.SequenceStep;
import dev.octet.quantize.PerplexityOptions;
import dev.octet.quantize.Progress;
import dev.octet.quantize.Window;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Runs models over the same text side by side, a piece at a time, so that logits of no more than
 * one piece are held: the base's and one other's.
 */
public final class ModelComparer {
  /** Logits of a piece; large vocabularies go through in shorter ones. */
  private static final long LOGIT_BYTES = 64L << 20;

  /** Rows of a piece: more bring no more speed. */
  private static final int ROWS = 512;

  private final CausalLm base;
  private final List<CausalLm> others;
  private final List<Distances> distances = new ArrayList<>();
  private final List<LayerErrors> errors = new ArrayList<>();
  private final int rows;

  private ModelComparer(CausalLm base, List<CausalLm> others) {
    this.base = base;
    this.others = others;
    this.rows = Math.clamp(LOGIT_BYTES / (4L * base.config().vocabSize()), 16, ROWS);
    for (CausalLm _ : others) {
      distances.add(new Distances());
      errors.add(new LayerErrors(base.config().layers()));
    }
  }

  /**
   * Compares.
   *
   * @param base what the others are held against
   * @param others models of the base's shape
   * @param ids the text; without a BOS its first token is context only
   * @return a comparison each, in their order
   * @throws IllegalArgumentException if the text is too short, or a model is of another shape
   * @throws dev.octet.tensor.NotFiniteException if a model gives NaN
   */
  public static List<Comparison> compare(
      CausalLm base,
      List<CausalLm> others,
      int[] ids,
      PerplexityOptions options,
      Progress progress) {
    others.forEach(other -> requireComparable(base, other));
    List<Window> windows = Window.cut(ids, options.contextOn(base.contextLength()), options);
    if (windows.isEmpty()) {
      throw new IllegalArgumentException(
          "a text of %d tokens has none to predict".formatted(ids.length));
    }
    ModelComparer comparer = new ModelComparer(base, others);
    for (int w = 0; w < windows.size(); w++) {
      comparer.window(windows.get(w));
      progress.update(w + 1, windows.size(), comparer.soFar());
    }
    return comparer.result();
  }

  private static void requireComparable(CausalLm base, CausalLm other) {
    var a = base.config();
    var b = other.config();
    if (a.vocabSize() != b.vocabSize()
        || a.layers() != b.layers()
        || a.hiddenSize() != b.hiddenSize()) {
      throw new IllegalArgumentException(
          "models of different shapes: %d layers of %d on %d tokens, and %d of %d on %d"
              .formatted(
                  a.layers(),
                  a.hiddenSize(),
                  a.vocabSize(),
                  b.layers(),
                  b.hiddenSize(),
                  b.vocabSize()));
    }
  }

  private String soFar() {
    return distances.isEmpty()
        ? ""
        : "divergence %.5f so far".formatted(distances.getLast().summary().divergence());
  }

  private void window(Window window) {
    List<KvCache> caches = new ArrayList<>();
    try {
      caches.add(base.newCache());
      others.forEach(other -> caches.add(other.newCache()));
      int[] ids = window.ids();
      int from = window.scored() - 1;
      for (int at = 0; at < from; at += rows) {
        unscored(Arrays.copyOfRange(ids, at, Math.min(at + rows, from)), caches);
      }
      for (int at = from; at < ids.length - 1; at += rows) {
        int to = Math.min(at + rows, ids.length - 1);
        piece(Arrays.copyOfRange(ids, at, to), Arrays.copyOfRange(ids, at + 1, to + 1), caches);
      }
    } finally {
      caches.forEach(KvCache::close);
    }
  }

  /** What precedes the first scored token needs no logits. */
  private void unscored(int[] ids, List<KvCache> caches) {
    for (int m = 0; m <= others.size(); m++) {
      try (Arena arena = Arena.ofShared()) {
        model(m).forward(List.of(new SequenceStep(ids, caches.get(m))), true, arena);
      }
    }
  }

  private CausalLm model(int index) {
    return index == 0 ? base : others.get(index - 1);
  }

  private void piece(int[] ids, int[] next, List<KvCache> caches) {
    try (Arena arena = Arena.ofShared()) {
      LayerErrors.Recorder streams = new LayerErrors.Recorder(arena);
      Tensor wanted = forward(base, ids, caches.getFirst(), arena, streams);
      for (int m = 0; m < others.size(); m++) {
        try (Arena scratch = Arena.ofShared()) {
          LayerTap tap = errors.get(m).against(streams);
          Tensor got = forward(others.get(m), ids, caches.get(m + 1), scratch, tap);
          distances.get(m).add(wanted, got, next);
        }
      }
    }
  }

  private static Tensor forward(
      CausalLm model, int[] ids, KvCache cache, Arena arena, LayerTap tap) {
    return model.forward(List.of(new SequenceStep(ids, cache)), false, arena, tap);
  }

  private List<Comparison> result() {
    List<Comparison> result = new ArrayList<>();
    for (int m = 0; m < others.size(); m++) {
      result.add(new Comparison(distances.get(m).summary(), errors.get(m).means()));
    }
    return result;
  }
}
