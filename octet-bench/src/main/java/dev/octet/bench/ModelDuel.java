package dev.octet.bench;

import dev.octet.bench.peer.ModelTask;
import dev.octet.bench.peer.PeerModel;
import dev.octet.bench.peer.Peers;
import dev.octet.bench.peer.Precision;
import dev.octet.tensor.QuantScheme;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/** Peers' models that read and write the same tokens in the same rounds as ours. */
final class ModelDuel implements AutoCloseable {
  private static final int SHORT_PROMPT = 64;
  private static final int SHORT_ANSWER = 4;

  private final ModelBench.Options options;
  private final List<Peers.ModelEntry> entries;
  private final double[][] prefill;
  private final double[][] decode;

  private ModelDuel(ModelBench.Options options, List<Peers.ModelEntry> entries) {
    this.options = options;
    this.entries = entries;
    this.prefill = new double[entries.size()][options.repetitions()];
    this.decode = new double[entries.size()][options.repetitions()];
  }

  /**
   * Loads the peers' models.
   *
   * @param scheme of ours; theirs have as many bits a weight
   */
  static ModelDuel open(ModelBench.Options options, Peers peers, @Nullable QuantScheme scheme) {
    if (peers.isEmpty()) {
      return new ModelDuel(options, List.of());
    }
    int context = options.prompt() + options.generate();
    ModelTask task =
        new ModelTask(options.shape().config(), precision(scheme), context, options.prompt());
    return new ModelDuel(options, peers.models(task));
  }

  private static Precision precision(@Nullable QuantScheme scheme) {
    if (scheme == null) {
      return Precision.BF16;
    }
    return switch (scheme.type()) {
      case INT4 -> Precision.INT4;
      case INT8, FP8_E4M3, FP8_E5M2 -> Precision.INT8;
    };
  }

  /** A short pass of each, whose logits must make sense. */
  void warmUp() {
    for (Peers.ModelEntry entry : entries) {
      double _ = prefill(entry.model(), Math.min(SHORT_PROMPT, options.prompt()));
      double _ = decode(entry.model(), Math.min(SHORT_ANSWER, options.generate()));
      entry.model().check();
    }
  }

  /** One prompt and one answer of each. */
  void round(int r) {
    for (int i = 0; i < entries.size(); i++) {
      PeerModel model = entries.get(i).model();
      prefill[i][r] = prefill(model, options.prompt());
      decode[i][r] = decode(model, options.generate());
    }
    if (!entries.isEmpty()) {
      Stopwatch.rest();
    }
  }

  private double prefill(PeerModel model, int tokens) {
    model.reset();
    Stopwatch.rest();
    int[] ids = ModelBench.prompt(tokens, options.shape().config().vocabSize());
    long start = System.nanoTime();
    model.forward(ids);
    return (System.nanoTime() - start) / 1e9;
  }

  private double decode(PeerModel model, int tokens) {
    long start = System.nanoTime();
    for (int i = 0; i < tokens; i++) {
      model.forward(new int[] {ModelBench.token(i, options.shape().config().vocabSize())});
    }
    return (System.nanoTime() - start) / 1e9;
  }

  /** The peers' times beside one of ours, the prompt's or the answer's; a pass as ours is. */
  List<PeerTime> beside(double ourSeconds, boolean prompt) {
    List<PeerTime> times = new ArrayList<>();
    int passes = prompt ? 1 : options.generate();
    for (int i = 0; i < entries.size(); i++) {
      double seconds = Stopwatch.median(prompt ? prefill[i] : decode[i]);
      times.add(new PeerTime(entries.get(i).label(), seconds * 1e3 / passes, seconds / ourSeconds));
    }
    return times;
  }

  /** Two rows for every peer. */
  List<BenchResult> rows() {
    List<BenchResult> rows = new ArrayList<>();
    for (int i = 0; i < entries.size(); i++) {
      rows.add(row(entries.get(i), "pp", options.prompt(), 1, prefill[i]));
      rows.add(row(entries.get(i), "tg", options.generate(), options.generate(), decode[i]));
    }
    return rows;
  }

  private BenchResult row(
      Peers.ModelEntry entry, String test, int tokens, int passes, double[] times) {
    double seconds = Stopwatch.median(times);
    long bytes = entry.model().bytes();
    SequencedMap<String, Double> metrics = new LinkedHashMap<>();
    metrics.put("tokens_per_s", tokens / seconds);
    metrics.put("ms", seconds * 1e3 / passes);
    metrics.put("gb_per_s", passes * (double) entry.model().bytesRead() / seconds / 1e9);
    metrics.put("gib", bytes / (double) (1L << 30));
    return new BenchResult(
        "model",
        options.shape().label() + " " + entry.label(),
        test + tokens,
        options.shape().config().headDim(),
        tokens,
        true,
        options.threads(),
        entry.isa(),
        metrics);
  }

  @Override
  public void close() {
    entries.forEach(entry -> entry.model().close());
  }
}
