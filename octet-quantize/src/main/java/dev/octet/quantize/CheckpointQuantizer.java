package dev.octet.quantize;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.CompressedTensorsWriter;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.ModelLayout.PlainShape;
import dev.octet.checkpoint.TensorStream;
import dev.octet.checkpoint.WeightSource;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.quantize.rotate.RotationOptions;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Writes a quantized copy of a checkpoint, in any format, layer by layer: memory holds one layer at
 * a time. An interrupted run can be resumed; until the last step the result is not there at all.
 */
public final class CheckpointQuantizer {
  private CheckpointQuantizer() {}

  /**
   * What was written.
   *
   * @param modelBytes bytes of the directory's tensors before
   * @param writtenBytes and after
   * @param quantizedLayers linear layers that were quantized, those of earlier runs included
   * @param notices what differs from what was asked for, one line each
   */
  public record Outcome(
      long modelBytes, long writtenBytes, int quantizedLayers, List<String> notices) {
    public Outcome {
      notices = List.copyOf(notices);
    }
  }

  /**
   * Quantizes {@code in} to {@code out}.
   *
   * @param in an unquantized model: a directory or a GGUF file
   * @param out where the result is to appear
   * @param force whether a model that is there may be replaced
   * @param resume whether to continue an interrupted run of the same settings
   * @throws CheckpointException if the input is unusable or quantized already, the output is in the
   *     way, the scheme cannot be stored, or there is too little room
   */
  public static Outcome run(
      Path in,
      Path out,
      QuantizeOptions options,
      boolean force,
      boolean resume,
      Progress progress) {
    WriteOptions write = WriteOptions.of(force, resume, "");
    return run(in, out, null, options, WeightRounding.NEAREST, write, progress);
  }

  /**
   * The same in any format and by another rounding.
   *
   * @param rotation how the model is turned before it is quantized; null: not at all
   * @param asked schemes; how inputs are computed is the format's business
   * @param write how and over what; its recipe is replaced by this run's
   */
  public static Outcome run(
      Path in,
      Path out,
      @Nullable RotationOptions rotation,
      QuantizeOptions asked,
      WeightRounding rounding,
      WriteOptions write,
      Progress progress) {
    QuantizeOptions options = asked.storedAs(write.format());
    try (Original original = Original.unquantized(in)) {
      Checkpoint source = original.source();
      original.requireOutside(out);
      GroupSizes.require(source.config(), options);
      WeightSource weights =
          rotation == null ? OutputLayer.separate(source, options) : rotation.of(source, options);
      Preflight.require(weights.config(), asked, method(rotation), write.format());
      DiskRoom.require(out, MemoryEstimate.weightBytes(weights.config(), options));
      WriteOptions named = write.named(recipe(in, rotation, options, rounding));
      named = weights.config().tiedEmbeddings() ? named : named.withHead();
      try (CompressedTensorsWriter writer =
              CompressedTensorsWriter.open(out, original.beside(), named);
          TensorStream stream = new TensorStream(source::place)) {
        writer.copyFrom(source);
        List<String> notices = new ArrayList<>();
        original.notice().ifPresent(notices::add);
        notices.addAll(
            new Run(weights, stream, writer, rotation != null, options, rounding, progress).run());
        writer.finish();
        return outcome(source, weights.config(), out, options, notices);
      }
    }
  }

  private static Preflight.Method method(@Nullable RotationOptions rotation) {
    return rotation == null
        ? Preflight.Method.ROUNDING
        : (shape, layer, config) -> rotation.turned(shape.module(), layer, config);
  }

  private static String recipe(
      Path in,
      @Nullable RotationOptions rotation,
      QuantizeOptions options,
      WeightRounding rounding) {
    String how = rotation == null ? "" : rotation.step() + System.lineSeparator();
    return "%s%n%s%s%nignore %s%nlayers %s%n%s%n"
        .formatted(
            in.toAbsolutePath().normalize(),
            how,
            options.scheme(),
            options.ignore(),
            options.rules(),
            rounding.name());
  }

  private static Outcome outcome(
      Checkpoint source,
      ModelConfig config,
      Path out,
      QuantizeOptions options,
      List<String> notices) {
    long before = source.tensors().values().stream().mapToLong(Tensor::byteSize).sum();
    List<String> quantized = new ArrayList<>();
    ModelLayout.linears(
        config,
        shape -> {
          if (!options.ignores(shape.module())) {
            quantized.add(shape.module());
          }
        });
    try (Checkpoint result = Checkpoints.open(out)) {
      long after = result.tensors().values().stream().mapToLong(Tensor::byteSize).sum();
      return new Outcome(before, after, quantized.size(), notices);
    }
  }

  /** One pass over the model. */
  private static final class Run {
    private final WeightSource source;
    private final TensorStream stream;
    private final CompressedTensorsWriter writer;
    private final boolean rotated;
    private final QuantizeOptions options;
    private final WeightRounding rounding;
    private final Progress progress;
    private final List<PlainShape> plain = new ArrayList<>();
    private final List<LinearShape> linears = new ArrayList<>();
    private final TreeSet<String> notices = new TreeSet<>();

    Run(
        WeightSource source,
        TensorStream stream,
        CompressedTensorsWriter writer,
        boolean rotated,
        QuantizeOptions options,
        WeightRounding rounding,
        Progress progress) {
      this.source = source;
      this.stream = stream;
      this.writer = writer;
      this.rotated = rotated;
      this.options = options;
      this.rounding = rounding;
      this.progress = progress;
      ModelConfig config = source.config();
      ModelLayout.plain(config, plain::add);
      ModelLayout.linears(config, linears::add);
      if (!config.tiedEmbeddings()) {
        linears.addFirst(linears.removeLast()); // the head: what it is refused for costs no layers
      }
    }

    List<String> run() {
      notices.addAll(options.unmatched(source.config()));
      long total = plain.size() + (long) linears.size();
      long done = 0;
      for (PlainShape shape : plain) {
        PlainTensors.copy(source, shape.name(), writer);
        progress.update(++done, total, shape.name());
      }
      for (LinearShape shape : linears) {
        QuantScheme scheme = scheme(shape);
        if (!writer.has(shape.module())) {
          add(shape.module(), scheme);
        }
        progress.update(++done, total, shape.module());
      }
      return List.copyOf(notices);
    }

    private void add(String module, QuantScheme scheme) {
      LinearWeights layer =
          module.equals(ModelLayout.LM_HEAD) ? source.lmHead() : source.linear(module);
      if (options.ignores(module)) {
        writer.add(module, rotated ? inModelType(layer) : layer);
        return;
      }
      try (Arena arena = Arena.ofShared()) {
        writer.add(module, quantized(module, layer, scheme, arena));
      }
    }

    /**
     * A weight that does not quantize, or has no form in the format, never will: nothing is kept
     * for a later run to resume.
     */
    private LinearWeights quantized(
        String module, LinearWeights layer, QuantScheme scheme, Arena arena) {
      try {
        LinearWeights result =
            LayerQuantizer.quantize(module, inMemory(layer), scheme, rounding, arena);
        writer.requireStorable(module, result);
        return result;
      } catch (CheckpointException e) {
        writer.discard();
        throw e;
      }
    }

    /** A stored weight is read once, so that it need not stay in the page cache. */
    private LinearWeights inMemory(LinearWeights layer) {
      return layer.weight() instanceof DenseWeight(Tensor values)
          ? layer.withWeight(new DenseWeight(stream.read(values)))
          : layer;
    }

    /** Rotated layers come in F32. */
    private LinearWeights inModelType(LinearWeights layer) {
      return layer.weight() instanceof DenseWeight(Tensor values)
          ? layer.withWeight(new DenseWeight(values.to(source.config().dtype(), Arena.ofAuto())))
          : layer;
    }

    private QuantScheme scheme(LinearShape shape) {
      QuantScheme wanted = options.schemeOf(shape.module());
      QuantScheme scheme = LayerQuantizer.dividing(wanted, shape.columns());
      if (!scheme.equals(wanted) && !options.ignores(shape.module())) {
        notices.add(
            "groups of %d do not divide %d input features: %s there"
                .formatted(
                    wanted.group(),
                    shape.columns(),
                    scheme.group() == 0 ? "one scale a row" : "groups of " + scheme.group()));
      }
      return scheme;
    }
  }
}
