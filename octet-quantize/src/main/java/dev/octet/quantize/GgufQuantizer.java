package dev.octet.quantize;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.gguf.GgufEntries;
import dev.octet.checkpoint.gguf.GgufHeader;
import dev.octet.checkpoint.gguf.GgufModel;
import dev.octet.checkpoint.gguf.GgufType;
import dev.octet.checkpoint.gguf.GgufVocabulary;
import dev.octet.checkpoint.gguf.GgufWriter;
import dev.octet.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;

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
   * @param in an unquantized model directory
   * @param out the file to write, named {@code *.gguf}
   * @param force whether a file that is there may be replaced
   * @throws CheckpointException if the input is unusable or quantized already, or the output is in
   *     the way
   */
  public static Outcome run(Path in, Path out, GgufType type, boolean force, Progress progress) {
    if (!GgufHeader.named(out) || Files.isDirectory(out)) {
      throw new CheckpointException(out + ": name a file that ends in .gguf");
    }
    try (Checkpoint source = Checkpoints.open(in)) {
      if (!source.format().equals("dense")) {
        throw new CheckpointException(
            "%s: is quantized already (%s); quantize the original".formatted(in, source.format()));
      }
      GgufModel model = new GgufModel(source, type);
      GgufEntries metadata =
          model.metadata(String.valueOf(in.toAbsolutePath().normalize().getFileName()));
      List<String> notices = new ArrayList<>();
      GgufVocabulary.add(in, source.config(), metadata).ifPresent(notices::add);
      return write(source, model, metadata, out, force, progress, notices);
    }
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
        writer.write(tensor.spec().name(), model.rows(tensor));
        types.merge(tensor.spec().type(), 1, Integer::sum);
        written += tensor.spec().byteSize();
        progress.update(++done, plan.size(), tensor.spec().name());
      }
      writer.finish();
    }
    long before = source.tensors().values().stream().mapToLong(Tensor::byteSize).sum();
    return new Outcome(before, written, types, List.copyOf(notices));
  }
}
