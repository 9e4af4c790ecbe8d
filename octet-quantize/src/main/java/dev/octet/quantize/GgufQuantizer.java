package dev.octet.quantize;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.gguf.GgufEntries;
import dev.octet.checkpoint.gguf.GgufHeader;
import dev.octet.checkpoint.gguf.GgufModel;
import dev.octet.checkpoint.gguf.GgufType;
import dev.octet.checkpoint.gguf.GgufVocabulary;
import dev.octet.checkpoint.gguf.GgufWriter;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.function.Predicate;

/**
 * Writes a model as one GGUF file, its tokenizer included: tensor by tensor, a few rows in memory
 * at a time.
 */
public final class GgufQuantizer {
  /** Types that are written, the most exact first. */
  private static final List<GgufType> TYPES =
      List.of(
          GgufType.F32,
          GgufType.BF16,
          GgufType.F16,
          GgufType.Q8_0,
          GgufType.Q6_K,
          GgufType.Q4_K,
          GgufType.Q4_0);

  private GgufQuantizer() {}

  /**
   * What was written.
   *
   * @param modelBytes bytes of the tensors before
   * @param writtenBytes and after
   * @param tensors number of tensors by type
   * @param notices what the user should know, one line each
   */
  public record Outcome(
      long modelBytes,
      long writtenBytes,
      SequencedMap<GgufType, Integer> tensors,
      List<String> notices) {}

  /**
   * The type of that name, in any case.
   *
   * @throws IllegalArgumentException for one that is not written, listing those that are
   */
  public static GgufType type(String name) {
    return TYPES.stream()
        .filter(t -> t.name().equalsIgnoreCase(name.replace('-', '_')))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "'%s' is not written as GGUF; choose one of %s"
                        .formatted(name, String.join(", ", names()))));
  }

  /** Names of the types that are written. */
  public static List<String> names() {
    return TYPES.stream().map(t -> t.name().toLowerCase(Locale.ROOT)).toList();
  }

  /**
   * Quantizes {@code in} to {@code out}.
   *
   * @param in an unquantized model: a directory or a GGUF file
   * @param out the file to write, named {@code *.gguf}
   * @param ignore patterns of the modules that keep their type, see {@link ModulePattern}
   * @param force whether a file that is there may be replaced
   * @throws CheckpointException if the input is unusable or quantized already, or the output is in
   *     the way
   */
  public static Outcome run(
      Path in, Path out, GgufType type, List<String> ignore, boolean force, Progress progress) {
    requireFile(out);
    try (Original original = Original.unquantized(in)) {
      original.requireOutside(out);
      Checkpoint source = original.source();
      GgufModel model = new GgufModel(source, type, kept(ignore));
      return write(source, model, in, out, force, progress, unmatched(ignore, source.config()));
    }
  }

  /** The embedding is no linear layer, and may be ignored here. */
  private static List<String> unmatched(List<String> ignore, ModelConfig config) {
    String embedding = ModelLayout.EMBEDDING.replace(".weight", "");
    List<String> others =
        ignore.stream().filter(p -> !ModulePattern.of(p).matches(embedding)).toList();
    return new QuantizeOptions(QuantScheme.W8A16, others).unmatched(config);
  }

  /**
   * Stores {@code in} as {@code out} without changing a value: quantized layers in the blocks that
   * hold them, everything else in the type it has.
   *
   * @param in a model of any other format that is read
   * @param out the file to write, named {@code *.gguf}
   * @throws CheckpointException if a layer has no such blocks, naming it and why; if the input is
   *     unusable, or the output in the way
   */
  public static Outcome convert(Path in, Path out, ConvertOptions options, Progress progress) {
    requireFile(out);
    if (options.dtype() != null) {
      throw new CheckpointException("only a dense checkpoint's type can be chosen");
    }
    try (Checkpoint source = Checkpoints.open(in)) {
      if (source.format().equals("gguf")) {
        throw new CheckpointException(in + ": is GGUF already");
      }
      ConvertedSource weights = new ConvertedSource(source, options.weightsOnly());
      GgufModel model = new GgufModel(weights, GgufType.F16, _ -> true);
      return write(source, model, in, out, options.force(), progress, List.of());
    }
  }

  /**
   * Stores what a method made of {@code in}.
   *
   * @param quantized the result, a directory with scales as the target has them
   * @param in the original, which names the model and has its tokenizer
   * @param ignore patterns of the modules that keep their type; embedding and output otherwise get
   *     the target's outer type
   */
  public static Outcome store(
      Path quantized,
      Path in,
      Path out,
      GgufTarget target,
      List<String> ignore,
      boolean force,
      Progress progress) {
    requireFile(out);
    try (Checkpoint source = Checkpoints.open(quantized);
        Checkpoint original = Checkpoints.open(in)) {
      GgufModel model = new GgufModel(source, target.outer(), kept(ignore));
      Outcome stored = write(source, model, in, out, force, progress, List.of());
      return new Outcome(bytes(original), stored.writtenBytes, stored.tensors, stored.notices);
    }
  }

  private static long bytes(Checkpoint model) {
    return model.tensors().values().stream().mapToLong(Tensor::byteSize).sum();
  }

  private static Predicate<String> kept(List<String> ignore) {
    List<ModulePattern> patterns = ignore.stream().map(ModulePattern::of).toList();
    return module -> patterns.stream().anyMatch(pattern -> pattern.matches(module));
  }

  static void requireFile(Path out) {
    if (!GgufHeader.named(out) || Files.isDirectory(out)) {
      throw new CheckpointException(out + ": name a file that ends in .gguf");
    }
  }

  private static Outcome write(
      Checkpoint source,
      GgufModel model,
      Path in,
      Path out,
      boolean force,
      Progress progress,
      List<String> known) {
    GgufEntries metadata =
        model.metadata(String.valueOf(in.toAbsolutePath().normalize().getFileName()));
    List<String> notices = new ArrayList<>(known);
    GgufVocabulary.add(in, source.config(), metadata).ifPresent(notices::add);
    DiskRoom.require(
        out, model.plan().stream().mapToLong(tensor -> tensor.spec().byteSize()).sum());
    return write(source, model, metadata, out, force, progress, notices);
  }

  private static Outcome write(
      Checkpoint source,
      GgufModel model,
      GgufEntries metadata,
      Path out,
      boolean force,
      Progress progress,
      List<String> notices) {
    List<GgufModel.GgufTensorPlan> plan = model.plan();
    SequencedMap<GgufType, Integer> types = new LinkedHashMap<>();
    long written = 0;
    try (GgufWriter writer =
        GgufWriter.create(
            out, metadata, plan.stream().map(GgufModel.GgufTensorPlan::spec).toList(), force)) {
      int done = 0;
      for (GgufModel.GgufTensorPlan tensor : plan) {
        model.write(tensor, writer);
        types.merge(tensor.spec().type(), 1, Integer::sum);
        written += tensor.spec().byteSize();
        progress.update(++done, plan.size(), tensor.spec().name());
      }
      writer.finish();
    }
    return new Outcome(bytes(source), written, types, List.copyOf(notices));
  }
}
