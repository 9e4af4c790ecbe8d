package dev.octet.bench;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.ScratchFolder;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Products;
import dev.octet.kernels.Providers;
import dev.octet.quantize.CheckpointQuantizer;
import dev.octet.quantize.Progress;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.calibrate.CalibratedQuantizer;
import dev.octet.quantize.calibrate.Recipe;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.tensor.QuantScheme;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/**
 * How fast a checkpoint of a published shape is quantized on disk, and in how much memory. The
 * checkpoint is made of random weights in a folder that is removed afterwards.
 */
public final class QuantizeBench {
  private QuantizeBench() {}

  /**
   * What to measure.
   *
   * @param shape whose sizes
   * @param layers decoder layers to quantize; 0: all
   * @param scheme what to quantize to
   * @param gptq whether by GPTQ instead of rounding to nearest
   * @param samples sequences that GPTQ calibrates on
   * @param length tokens of each
   * @param folder where the checkpoint and the result go; must be on the disk to measure
   * @param provider kernels for GPTQ
   * @param threads for GPTQ
   */
  public record Options(
      ModelShape shape,
      int layers,
      QuantScheme scheme,
      boolean gptq,
      int samples,
      int length,
      Path folder,
      String provider,
      int threads) {
    public Options {
      int all = shape.config().layers();
      if (layers < 0 || layers > all) {
        throw new IllegalArgumentException("layers must be at most " + all + ", not " + layers);
      }
      if (samples < 1 || length < 2) {
        throw new IllegalArgumentException("calibration takes samples of at least 2 tokens");
      }
    }
  }

  /**
   * Measures.
   *
   * @param progress hears of the layers
   */
  public static void run(Options options, Progress progress, Consumer<BenchResult> to) {
    try (ScratchFolder work = ScratchFolder.create(options.folder(), "octet-bench-quantize")) {
      to.accept(measure(options, work.path(), progress));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static BenchResult measure(Options options, Path work, Progress progress)
      throws IOException {
    ModelConfig config = options.shape().withLayers(options.layers()).config();
    Path in = work.resolve("in");
    RandomCheckpoint.write(in, config);
    System.gc();
    PeakMemory.forget();
    Duration cpu = processorTime();
    long start = System.nanoTime();
    CheckpointQuantizer.Outcome outcome;
    long own;
    try (AnonymousMemory memory = new AnonymousMemory()) {
      outcome = quantize(options, config, in, work.resolve("out"), progress);
      own = memory.most();
    }
    double seconds = (System.nanoTime() - start) * 1e-9;
    double busy = processorTime().minus(cpu).toNanos() * 1e-9;
    return result(options, config, outcome, seconds, busy, own);
  }

  private static CheckpointQuantizer.Outcome quantize(
      Options options, ModelConfig config, Path in, Path out, Progress progress) {
    QuantizeOptions layers = QuantizeOptions.of(options.scheme());
    if (!options.gptq()) {
      return CheckpointQuantizer.run(in, out, layers, false, false, progress);
    }
    Recipe recipe =
        new Recipe(null, new Recipe.Rounding.Compensated(GptqOptions.DEFAULT), false, layers);
    List<int[]> sequences = new ArrayList<>();
    SplittableRandom random = new SplittableRandom(1);
    for (int i = 0; i < options.samples(); i++) {
      sequences.add(random.ints(options.length(), 0, config.vocabSize()).toArray());
    }
    try (Kernels kernels = Providers.create(options.provider(), options.threads(), Products.F32)) {
      return CalibratedQuantizer.run(
          in, out, recipe, sequences, kernels, WriteOptions.of(false, false, "bench"), progress);
    }
  }

  private static BenchResult result(
      Options options,
      ModelConfig config,
      CheckpointQuantizer.Outcome outcome,
      double seconds,
      double busy,
      long own) {
    SequencedMap<String, Double> metrics = new LinkedHashMap<>();
    metrics.put("s", seconds);
    metrics.put("s_per_layer", seconds / config.layers());
    metrics.put("cpu_s", busy);
    metrics.put("mb_per_s", outcome.modelBytes() / seconds / 1e6);
    metrics.put("in_out_mb_per_s", (outcome.modelBytes() + outcome.writtenBytes()) / seconds / 1e6);
    metrics.put("model_gib", gib(outcome.modelBytes()));
    metrics.put("result_gib", gib(outcome.writtenBytes()));
    metrics.put("layer_gib", gib(layerBytes(config)));
    metrics.put("own_gib", gib(own));
    metrics.put("rss_gib", gib(PeakMemory.bytes().orElse(0)));
    String method = options.gptq() ? " gptq" : "";
    return new BenchResult(
        "quantize",
        options.scheme().name() + method,
        "%s, %d layers%s"
            .formatted(
                options.shape().label(),
                config.layers(),
                options.gptq()
                    ? ", %dx%d tokens".formatted(options.samples(), options.length())
                    : ""),
        null,
        null,
        null,
        options.threads(),
        options.gptq() ? options.provider() : "any",
        metrics);
  }

  /** Of all threads, the system's work for them included; on a busy machine what time is not. */
  private static Duration processorTime() {
    return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO);
  }

  private static double gib(long bytes) {
    return bytes / (double) (1L << 30);
  }

  /** Bytes of a decoder layer as it is stored before. */
  private static long layerBytes(ModelConfig config) {
    long[] elements = {0};
    ModelLayout.linears(
        config,
        l -> {
          if (l.module().startsWith("model.layers.0.")) {
            elements[0] += l.rows() * l.columns();
          }
        });
    return config.dtype().bytes(elements[0]);
  }
}
