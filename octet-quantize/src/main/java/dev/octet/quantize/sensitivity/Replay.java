package dev.octet.quantize.sensitivity;

import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.model.HeadRunner;
import dev.octet.model.LayerRunner;
import dev.octet.model.LayerRunner.Part;
import dev.octet.quantize.compare.DistanceSummary;
import dev.octet.quantize.compare.Distances;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * A model that is run again from one of its layers on. It walks from the first layer to the last
 * with the residual stream of all sequences before the current one; what a change of the current
 * layer does to the predictions is found by running only what follows.
 *
 * <p>The original's predictions are what every run is compared with. Attention is F32, nothing is
 * rounded but what is exchanged.
 */
public final class Replay implements AutoCloseable {
  /** Logits of the original are kept if they fit; else they are computed again every time. */
  private static final long KEPT_LOGITS = 512L << 20;

  /** Rows of logits at a time. */
  private static final int ROWS = 128;

  private final WeightSource source;
  private final List<int[]> sequences;
  private final Arena arena = Arena.ofShared();
  private final List<LayerRunner> runners = new ArrayList<>();
  private final HeadRunner head;
  private final List<Tensor> before = new ArrayList<>();
  private final List<Tensor> running = new ArrayList<>();
  private final List<Tensor> originals = new ArrayList<>();
  private final boolean keepsLogits;
  private double layerSeconds;
  private double headSeconds;
  private int layer;

  /**
   * Loads the model and runs it once.
   *
   * @param source the original; stays the caller's, as do the kernels
   * @param sequences token ids, each of at least 2
   * @throws dev.octet.tensor.NotFiniteException if the original gives NaN
   */
  public Replay(WeightSource source, Kernels kernels, List<int[]> sequences) {
    this.source = source;
    this.sequences = List.copyOf(sequences);
    this.head = new HeadRunner(source, kernels);
    this.keepsLogits = 4L * tokens() * head.vocabulary() <= KEPT_LOGITS;
    try {
      for (int l = 0; l < source.config().layers(); l++) {
        runners.add(new LayerRunner(source, kernels, l));
      }
      for (int[] sequence : sequences) {
        before.add(stream(sequence.length));
        running.add(stream(sequence.length));
      }
      rewind();
      keepOriginals();
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private Tensor stream(int tokens) {
    return Tensor.allocate(arena, DType.F32, tokens, source.config().hiddenSize());
  }

  private void keepOriginals() {
    long start = System.nanoTime();
    runRest();
    long ran = System.nanoTime();
    layerSeconds = (ran - start) * 1e-9 / Math.max(1, runners.size());
    for (Tensor last : running) {
      if (keepsLogits) {
        originals.add(head.logits(last, arena));
      } else {
        Tensor kept = stream(Math.toIntExact(last.rows()));
        copy(last, kept);
        originals.add(kept);
      }
    }
    headSeconds = keepsLogits ? (System.nanoTime() - ran) * 1e-9 : 2 * secondsOfHead();
  }

  private double secondsOfHead() {
    try (Arena scratch = Arena.ofShared()) {
      Tensor rows = running.getFirst();
      Tensor some = rows.rowRange(0, Math.min(ROWS, rows.rows()));
      long start = System.nanoTime();
      head.logits(some, scratch);
      return (System.nanoTime() - start) * 1e-9 * tokens() / some.rows();
    }
  }

  /** About how long it takes to run the last {@code count} layers and compare the predictions. */
  double seconds(int count) {
    return count * layerSeconds + headSeconds;
  }

  /** Tokens of all sequences. */
  public int tokens() {
    return sequences.stream().mapToInt(s -> s.length).sum();
  }

  public int layers() {
    return runners.size();
  }

  /** The layer that is next. */
  public int layer() {
    return layer;
  }

  /** A layer's stages, for looking at what its linear layers are given. */
  LayerRunner runner(int index) {
    return runners.get(index);
  }

  /** The residual stream of every sequence before the current layer; not to be changed. */
  List<Tensor> streams() {
    return before;
  }

  /** Goes back to the embeddings. */
  public void rewind() {
    for (int i = 0; i < sequences.size(); i++) {
      try (Arena scratch = Arena.ofShared()) {
        copy(LayerRunner.embed(source, sequences.get(i), scratch), before.get(i));
      }
    }
    layer = 0;
  }

  /** Moves on to the next layer. */
  public void advance() {
    LayerRunner runner = runners.get(layer);
    before.forEach(runner::run);
    layer++;
  }

  /**
   * Exchanges linear layers of a decoder layer for good.
   *
   * @return what they replace
   */
  public Map<Part, Linear> exchange(int index, Map<Part, Linear> linears) {
    LayerRunner runner = runners.get(index);
    Map<Part, Linear> replaced = new EnumMap<>(Part.class);
    linears.forEach(
        (part, linear) -> {
          replaced.put(part, runner.get(part));
          runner.set(part, linear);
        });
    return replaced;
  }

  /** How far the model is from the original if the current layer's linears are exchanged. */
  public DistanceSummary with(Map<Part, Linear> linears) {
    int here = layer;
    Map<Part, Linear> replaced = exchange(here, linears);
    try {
      return distance();
    } finally {
      exchange(here, replaced);
    }
  }

  /** How far the model is from the original as it stands. */
  public DistanceSummary distance() {
    runRest();
    Distances distances = new Distances();
    for (int i = 0; i < sequences.size(); i++) {
      int[] ids = sequences.get(i);
      for (int from = 0; from < ids.length - 1; from += ROWS) {
        int to = Math.min(from + ROWS, ids.length - 1);
        try (Arena scratch = Arena.ofShared()) {
          distances.add(
              original(i, from, to, scratch),
              head.logits(running.get(i).rowRange(from, to), scratch),
              Arrays.copyOfRange(ids, from + 1, to + 1));
        }
      }
    }
    return distances.summary();
  }

  private Tensor original(int sequence, int from, int to, Arena scratch) {
    Tensor rows = originals.get(sequence).rowRange(from, to);
    return keepsLogits ? rows : head.logits(rows, scratch);
  }

  private void runRest() {
    for (int i = 0; i < running.size(); i++) {
      copy(before.get(i), running.get(i));
    }
    for (LayerRunner runner : runners.subList(layer, runners.size())) {
      running.forEach(runner::run);
    }
  }

  private static void copy(Tensor from, Tensor to) {
    MemorySegment.copy(from.segment(), 0, to.segment(), 0, to.byteSize());
  }

  @Override
  public void close() {
    runners.forEach(LayerRunner::close);
    head.close();
    arena.close();
  }
}
