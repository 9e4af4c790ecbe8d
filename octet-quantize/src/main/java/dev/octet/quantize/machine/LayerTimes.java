package dev.octet.quantize.machine;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.kernels.LinearGroup;
import dev.octet.quantize.LayerQuantizer;
import dev.octet.quantize.MemoryEstimate;
import dev.octet.quantize.Progress;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.quantize.sensitivity.Unit;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Times the linear layers of one decoder layer in several candidates, by the kernels that will run
 * them and in turns. Of large weights the first rows stand for all; where the model is larger than
 * caches are, they are driven out before every decoding step that is timed.
 */
public final class LayerTimes {
  /** Of a weight with more elements only so many are timed. */
  private static final long MOST_ELEMENTS = 4L << 20;

  /** More than the last cache of most processors holds. */
  private static final int CACHES = 64 << 20;

  private static final int PROMPT = 64;
  private static final int WARM_UP = 12;

  /**
   * Seconds a token of one decoder layer.
   *
   * @param decode [unit][candidate], one token at a time
   * @param prefill the same, many tokens at once
   */
  public record Times(double[][] decode, double[][] prefill) {
    /** Of all units in one candidate. */
    public double decode(int candidate) {
      return Arrays.stream(decode).mapToDouble(unit -> unit[candidate]).sum();
    }

    /** Of all units in one candidate. */
    public double prefill(int candidate) {
      return Arrays.stream(prefill).mapToDouble(unit -> unit[candidate]).sum();
    }
  }

  /** Layers that run as one, and how many such there are in the whole. */
  private record Program(LinearGroup group, Tensor one, Tensor many, Tensor[] outs, double share) {
    double decode() {
      return time(one, 1);
    }

    double prefill() {
      return time(many, PROMPT) / PROMPT;
    }

    private double time(Tensor x, int rows) {
      Tensor[] to = Arrays.stream(outs).map(out -> out.rowRange(0, rows)).toArray(Tensor[]::new);
      long start = System.nanoTime();
      group.apply(x, to);
      return (System.nanoTime() - start) / 1e9 * share;
    }
  }

  private LayerTimes() {}

  /**
   * Measures.
   *
   * @param source an unquantized model
   * @param rounds timed rounds; the median counts
   */
  public static Times measure(
      WeightSource source,
      Kernels kernels,
      List<Candidate> candidates,
      int rounds,
      Progress progress) {
    List<Unit> units =
        Unit.fused(source.config().layers()).stream()
            .filter(unit -> unit.layer() == source.config().layers() / 2)
            .toList();
    boolean large = MemoryEstimate.weightBytes(source.config(), null) > CACHES;
    try (Arena arena = Arena.ofShared()) {
      List<List<Program>> programs = new ArrayList<>();
      for (Unit unit : units) {
        programs.add(
            candidates.stream().map(c -> program(source, kernels, unit, c, arena)).toList());
      }
      Tensor cold = Tensor.allocate(arena, DType.F32, large ? CACHES / Float.BYTES : 1);
      return time(programs, cold, rounds, progress);
    }
  }

  private static Program program(
      WeightSource source, Kernels kernels, Unit unit, Candidate candidate, Arena arena) {
    List<Linear> linears = new ArrayList<>();
    List<Tensor> outs = new ArrayList<>();
    long all = 0;
    long timed = 0;
    long columns = 0;
    for (String module : unit.modules()) {
      LinearWeights part = head(source.linear(module));
      all += source.linear(module).weight().rows();
      timed += part.weight().rows();
      columns = part.weight().columns();
      QuantScheme scheme = candidate.on(columns);
      LinearWeights weights =
          scheme == null ? part : LayerQuantizer.quantize(module, part, scheme, arena);
      linears.add(kernels.linear(weights, arena));
      outs.add(Tensor.allocate(arena, DType.F32, PROMPT, part.weight().rows()));
    }
    Tensor many = random(columns, arena);
    return new Program(
        kernels.group(linears),
        many.rowRange(0, 1),
        many,
        outs.toArray(Tensor[]::new),
        (double) all / timed);
  }

  private static LinearWeights head(LinearWeights layer) {
    long rows = Math.max(1, MOST_ELEMENTS / layer.weight().columns());
    if (!(layer.weight() instanceof DenseWeight(Tensor values)) || rows >= values.rows()) {
      return new LinearWeights(layer.weight(), null, layer.activation());
    }
    return new LinearWeights(new DenseWeight(values.rowRange(0, rows)), null, layer.activation());
  }

  private static Tensor random(long columns, Arena arena) {
    Tensor x = Tensor.allocate(arena, DType.F32, PROMPT, columns);
    SplittableRandom random = new SplittableRandom(1);
    for (long i = 0; i < x.size(); i++) {
      x.setFloat(i, (float) random.nextGaussian());
    }
    return x;
  }

  private static Times time(
      List<List<Program>> programs, Tensor cold, int rounds, Progress progress) {
    int units = programs.size();
    int candidates = programs.getFirst().size();
    double[][][] decode = new double[units][candidates][rounds];
    double[][][] prefill = new double[units][candidates][rounds];
    for (List<Program> unit : programs) {
      for (Program program : unit) {
        for (int i = 0; i < WARM_UP; i++) {
          program.decode();
        }
        program.prefill();
        program.prefill();
      }
    }
    for (int r = 0; r < rounds; r++) {
      for (int u = 0; u < units; u++) {
        for (int c = 0; c < candidates; c++) {
          Program program = programs.get(u).get(c);
          prefill[u][c][r] = program.prefill();
          driveOut(cold);
          decode[u][c][r] = program.decode();
        }
      }
      progress.update(r + 1, rounds, "timing layers");
    }
    return new Times(medians(decode), medians(prefill));
  }

  /** Every line is written, which a read that nobody uses might not be. */
  private static void driveOut(Tensor cold) {
    for (long i = 0; i < cold.size(); i += 16) {
      cold.segment().set(JAVA_FLOAT, i * Float.BYTES, 1);
    }
  }

  private static double[][] medians(double[][][] times) {
    return Arrays.stream(times)
        .map(unit -> Arrays.stream(unit).mapToDouble(LayerTimes::median).toArray())
        .toArray(double[][]::new);
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
  }
}
