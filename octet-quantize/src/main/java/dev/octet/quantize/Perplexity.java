package dev.octet.quantize;

import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.SequenceStep;
import dev.octet.tensor.NotFiniteException;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Perplexity of a model on a text: {@code exp} of the mean −ln p of every token given those before
 * it in its window. Log-sum-exp and sums are in double precision.
 */
public final class Perplexity {
  /** Logits held at a time; large vocabularies go through in shorter pieces. */
  private static final long LOGIT_BYTES = 64L << 20;

  /** Rows of a pass: more bring no more speed. */
  private static final int ROWS = 512;

  private final CausalLm model;
  private final int rows;
  private final float[] row;
  private double nll;
  private long scored;
  private long run;

  private Perplexity(CausalLm model) {
    this.model = model;
    int vocabulary = model.config().vocabSize();
    this.rows = Math.clamp(LOGIT_BYTES / (4L * vocabulary), 16, ROWS);
    this.row = new float[vocabulary];
  }

  /**
   * Measures.
   *
   * @param ids the text; without a BOS its first token is context only
   * @throws IllegalArgumentException if the text is too short, a token is outside the vocabulary,
   *     or the context is longer than the model's
   * @throws NotFiniteException if the model gives NaN, naming the token
   */
  public static PerplexityResult measure(
      CausalLm model, int[] ids, PerplexityOptions options, Progress progress) {
    List<Window> windows = Window.cut(ids, options.contextOn(model.contextLength()), options);
    if (windows.isEmpty()) {
      throw new IllegalArgumentException(
          "a text of %d tokens has none to predict".formatted(ids.length));
    }
    return new Perplexity(model).measure(windows, progress);
  }

  private PerplexityResult measure(List<Window> windows, Progress progress) {
    long begun = System.nanoTime();
    int done = 0;
    while (done < windows.size()) {
      List<Window> batch = batch(windows, done);
      score(batch);
      done += batch.size();
      progress.update(
          done, windows.size(), "perplexity %.4f so far".formatted(Math.exp(nll / scored)));
    }
    double seconds = (System.nanoTime() - begun) / 1e9;
    double mean = nll / scored;
    return new PerplexityResult(
        Math.exp(mean), mean, scored, windows.size(), seconds, run / Math.max(seconds, 1e-9));
  }

  /** As many windows as fit one pass; at least one, which may take several. */
  private List<Window> batch(List<Window> windows, int from) {
    int to = from + 1;
    long tokens = windows.get(from).ids().length;
    while (to < windows.size() && tokens + windows.get(to).ids().length <= rows) {
      tokens += windows.get(to).ids().length;
      to++;
    }
    return windows.subList(from, to);
  }

  private void score(List<Window> batch) {
    List<KvCache> caches = new ArrayList<>();
    try {
      batch.forEach(_ -> caches.add(model.newCache()));
      if (batch.size() == 1) {
        scoreInPieces(batch.getFirst(), caches.getFirst());
      } else {
        scoreTogether(batch, caches);
      }
    } finally {
      caches.forEach(KvCache::close);
    }
  }

  private void scoreTogether(List<Window> batch, List<KvCache> caches) {
    List<SequenceStep> steps = new ArrayList<>();
    for (int i = 0; i < batch.size(); i++) {
      steps.add(new SequenceStep(batch.get(i).ids(), caches.get(i)));
    }
    try (Arena arena = Arena.ofShared()) {
      Tensor logits = model.forward(steps, false, arena);
      long at = 0;
      for (Window window : batch) {
        for (int t = window.scored(); t < window.ids().length; t++) {
          add(logits, at + t - 1, window, t);
        }
        at += window.ids().length;
        run += window.ids().length;
      }
    }
  }

  /** What precedes the first scored token needs no logits; the last token predicts nothing. */
  private void scoreInPieces(Window window, KvCache cache) {
    int[] ids = window.ids();
    int from = window.scored() - 1;
    if (from > 0) {
      forward(Arrays.copyOf(ids, from), cache, true, (logits, at) -> {});
    }
    for (int piece = from; piece < ids.length - 1; piece += rows) {
      int to = Math.min(piece + rows, ids.length - 1);
      int first = piece + 1;
      forward(
          Arrays.copyOfRange(ids, piece, to),
          cache,
          false,
          (logits, at) -> add(logits, at, window, first + at));
    }
  }

  @FunctionalInterface
  private interface RowUse {
    void accept(Tensor logits, int row);
  }

  private void forward(int[] ids, KvCache cache, boolean lastOnly, RowUse use) {
    try (Arena arena = Arena.ofShared()) {
      Tensor logits = model.forward(List.of(new SequenceStep(ids, cache)), lastOnly, arena);
      for (int r = 0; r < logits.rows(); r++) {
        use.accept(logits, r);
      }
    }
    run += ids.length;
  }

  /** Adds −ln p of token {@code t} of a window, given the logits of the token before. */
  private void add(Tensor logits, long logitRow, Window window, int t) {
    logits.copyRange(logitRow * row.length, row);
    double value = logSumExp(row) - row[window.ids()[t]];
    if (Double.isNaN(value)) {
      throw new NotFiniteException(
          "the model gives NaN for token %d of the window that begins at token %d of the text"
              .formatted(t, window.start()));
    }
    nll += value;
    scored++;
  }

  static double logSumExp(float[] values) {
    float max = Float.NEGATIVE_INFINITY;
    for (float v : values) {
      max = Math.max(max, v); // a NaN stays
    }
    double sum = 0;
    for (float v : values) {
      sum += Math.exp((double) v - max);
    }
    return max + Math.log(sum);
  }
}
