package dev.octet.quantize.machine;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvType;
import dev.octet.quantize.MemoryEstimate;
import dev.octet.quantize.MemorySize;
import dev.octet.quantize.OuterSchemes;
import dev.octet.quantize.Progress;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.tensor.DenseWeight;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Picks how a model's weights are to be quantized at load on this machine, by timing its layers.
 *
 * <p>Of the types that fit the memory, those of 16 and 8 bits come first, whose loss is hardly ever
 * worth a thought, and 4 bits only where none of them fits. Among them the fastest is taken, unless
 * a more exact one is nearly as fast.
 *
 * @param candidate what to load as
 * @param why in one line, with the figures that decided
 */
public record MachineChoice(Candidate candidate, String why) {
  /** A prompt and an answer as people use a model. */
  private static final int PROMPT = 512;

  private static final int ANSWER = 128;

  /** An exacter type may take so much longer than the fastest. */
  private static final double NEARLY = 1.1;

  private static final int ROUNDS = 7;

  /** The most exact first. */
  private static final List<Candidate> WIDE =
      List.of(
          Candidate.NONE, Candidate.of("w8a16"), Candidate.of("w8a8"), Candidate.of("fp8-dynamic"));

  private static final List<Candidate> NARROW =
      List.of(Candidate.of("w4a16-asym"), Candidate.of("w4a16"), Candidate.of("w4a8"));

  /** A type, what it takes, and whether that is there. */
  private record Entry(Candidate candidate, long bytes, double seconds) {}

  /**
   * Chooses.
   *
   * @param source the model; stays the caller's, as do the kernels
   * @param context tokens of one sequence that the memory must hold, too
   * @param kv what keys and values are stored as
   * @param attention how attention is computed; null: what fits the cache
   * @param outer output layer and embedding
   * @throws IllegalArgumentException if not even 4 bits fit
   */
  public static MachineChoice of(
      WeightSource source,
      Kernels kernels,
      MemorySize available,
      int context,
      KvType kv,
      @Nullable AttentionKind attention,
      OuterSchemes outer) {
    if (quantized(source)) {
      return new MachineChoice(Candidate.NONE, "as stored: the checkpoint is quantized already");
    }
    ModelConfig config = source.config();
    List<Candidate> fitting = new ArrayList<>();
    for (List<Candidate> set : List.of(WIDE, NARROW)) {
      set.stream()
          .filter(c -> total(config, c, context, kv, attention, outer) <= available.bytes())
          .forEach(fitting::add);
      if (!fitting.isEmpty()) {
        break;
      }
    }
    if (fitting.isEmpty()) {
      throw new IllegalArgumentException(
          "not even 4-bit weights fit: they take %s with the cache, %s are available"
              .formatted(
                  MemorySize.of(total(config, NARROW.getLast(), context, kv, attention, outer)),
                  available));
    }
    List<Entry> entries = new ArrayList<>();
    List<Candidate> timed = withBaseline(fitting);
    LayerTimes.Times times = LayerTimes.measure(source, kernels, timed, ROUNDS, Progress.NONE);
    for (int c = 0; c < timed.size(); c++) {
      double layer = PROMPT * times.prefill(c) + ANSWER * times.decode(c);
      long bytes = total(config, timed.get(c), context, kv, attention, outer);
      entries.add(new Entry(timed.get(c), bytes, layer * config.layers()));
    }
    return choose(entries, fitting.size(), config, kernels, available);
  }

  private static boolean quantized(WeightSource source) {
    List<Boolean> dense = new ArrayList<>();
    ModelLayout.linears(
        source.config(),
        shape -> dense.add(source.linear(shape.module()).weight() instanceof DenseWeight));
    return dense.contains(false);
  }

  private static long total(
      ModelConfig config,
      Candidate candidate,
      int context,
      KvType kv,
      @Nullable AttentionKind attention,
      OuterSchemes outer) {
    return MemoryEstimate.of(config, candidate.scheme(), context, kv, attention, outer)
        .totalBytes();
  }

  /** The weights as they are come last if they do not fit: they are what others are told by. */
  private static List<Candidate> withBaseline(List<Candidate> fitting) {
    List<Candidate> all = new ArrayList<>(fitting);
    if (!all.contains(Candidate.NONE)) {
      all.add(Candidate.NONE);
    }
    return all;
  }

  private static MachineChoice choose(
      List<Entry> entries, int fitting, ModelConfig config, Kernels kernels, MemorySize available) {
    List<Entry> possible = entries.subList(0, fitting);
    double fastest = possible.stream().mapToDouble(Entry::seconds).min().orElseThrow();
    Entry best =
        possible.stream().filter(e -> e.seconds() <= NEARLY * fastest).findFirst().orElseThrow();
    Entry stored =
        entries.stream().filter(e -> e.candidate().scheme() == null).findFirst().orElseThrow();
    String type = config.dtype().label();
    String speed =
        best.equals(stored)
            ? String.format(
                Locale.ROOT,
                "%s as stored, no type is more than %.0f %% faster",
                type,
                100 * (NEARLY - 1))
            : String.format(
                Locale.ROOT, "%.2f times the speed of %s", stored.seconds() / best.seconds(), type);
    String memory =
        possible.contains(stored)
            ? ""
            : String.format(Locale.ROOT, ", %s would take %s", type, MemorySize.of(stored.bytes()));
    return new MachineChoice(
        best.candidate(),
        "%s (its linear layers, %d tokens read and %d written: %.3g s, %s %s); takes %s of %s%s"
            .formatted(
                speed,
                PROMPT,
                ANSWER,
                best.seconds(),
                kernels.name(),
                kernels.isa(),
                MemorySize.of(best.bytes()),
                available,
                memory));
  }
}
