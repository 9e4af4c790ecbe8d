package dev.octet.quantize.calibrate;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.CompressedTensorsWriter;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.ModelLayout.PlainShape;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.WeightSource;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.kernels.Kernels;
import dev.octet.model.LayerRunner.Norm;
import dev.octet.model.LayerRunner.Part;
import dev.octet.quantize.CheckpointQuantizer.Outcome;
import dev.octet.quantize.DiskRoom;
import dev.octet.quantize.GroupSizes;
import dev.octet.quantize.MemoryEstimate;
import dev.octet.quantize.Original;
import dev.octet.quantize.OutputLayer;
import dev.octet.quantize.PlainTensors;
import dev.octet.quantize.Preflight;
import dev.octet.quantize.Progress;
import dev.octet.quantize.rotate.RotationOptions;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Writes a quantized copy of a checkpoint, calibrated on text: decoder layer by decoder layer, each
 * on inputs that the quantized layers before it have made. Memory holds one layer and the residual
 * stream of the calibration text. An interrupted run can be resumed after the last whole layer.
 */
public final class CalibratedQuantizer {
  private final WeightSource source;
  private final CompressedTensorsWriter writer;
  private final Recipe recipe;
  private final List<int[]> sequences;
  private final Kernels kernels;
  private final Path state;
  private final Progress progress;

  private CalibratedQuantizer(
      WeightSource source,
      CompressedTensorsWriter writer,
      Recipe recipe,
      List<int[]> sequences,
      Kernels kernels,
      Path state,
      Progress progress) {
    this.source = source;
    this.writer = writer;
    this.recipe = recipe;
    this.sequences = sequences;
    this.kernels = kernels;
    this.state = state;
    this.progress = progress;
  }

  /**
   * Quantizes {@code in} to {@code out}.
   *
   * @param in an unquantized model: a directory or a GGUF file
   * @param asked how; how inputs are computed is the format's business
   * @param out where the result is to appear
   * @param sequences token ids of the calibration text, see {@link CalibrationText}
   * @param write whether a model that is there may be replaced, whether to resume; its recipe names
   *     all settings, those of the text included
   * @throws CheckpointException if the input is unusable or quantized already, the output is in the
   *     way, the scheme cannot be stored, or there is too little room
   */
  public static Outcome run(
      Path in,
      Path out,
      Recipe asked,
      List<int[]> sequences,
      Kernels kernels,
      WriteOptions write,
      Progress progress) {
    Recipe recipe = asked.with(asked.options().storedAs(write.format()));
    try (Original original = Original.unquantized(in)) {
      Checkpoint source = original.source();
      original.requireOutside(out);
      GroupSizes.require(source.config(), recipe.options());
      RotationOptions rotation = recipe.rotation();
      WeightSource weights =
          rotation == null
              ? OutputLayer.separate(source, recipe.options())
              : rotation.of(source, recipe.options());
      Preflight.require(weights.config(), asked.options(), recipe, write.format());
      WriteOptions target = weights.config().tiedEmbeddings() ? write : write.withHead();
      DiskRoom.require(out, MemoryEstimate.weightBytes(weights.config(), recipe.options()));
      try (CompressedTensorsWriter writer =
          CompressedTensorsWriter.open(out, original.beside(), target)) {
        writer.copyFrom(source);
        Path state = out.toAbsolutePath().normalize();
        state = state.resolveSibling(state.getFileName() + ".partial").resolve("calibration.state");
        CalibratedQuantizer run =
            new CalibratedQuantizer(weights, writer, recipe, sequences, kernels, state, progress);
        run.outer();
        run.layers();
        ResidualStream.delete(state);
        writer.finish();
      }
      List<String> notices = new ArrayList<>();
      original.notice().ifPresent(notices::add);
      notices.addAll(recipe.options().unmatched(source.config()));
      notices.addAll(notices(source.config(), recipe, sequences));
      return outcome(source, weights.config(), out, recipe, notices);
    }
  }

  /** With fewer tokens than inputs nobody can know how inputs go together. */
  private static List<String> notices(ModelConfig config, Recipe recipe, List<int[]> sequences) {
    long tokens = sequences.stream().mapToLong(s -> s.length).sum();
    int widest = Math.max(config.intermediateSize(), config.hiddenSize());
    return recipe.needsGram() && tokens < 2L * widest
        ? List.of(
            "calibrated on %d tokens, layers have up to %d inputs: a longer --calibration text or"
                    .formatted(tokens, widest)
                + " more --samples would serve better")
        : List.of();
  }

  private static Outcome outcome(
      Checkpoint source, ModelConfig config, Path out, Recipe recipe, List<String> notices) {
    long before = source.tensors().values().stream().mapToLong(Tensor::byteSize).sum();
    List<String> quantized = new ArrayList<>();
    ModelLayout.linears(
        config,
        shape -> {
          if (!recipe.options().ignores(shape.module())) {
            quantized.add(shape.module());
          }
        });
    try (Checkpoint result = Checkpoints.open(out)) {
      long after = result.tensors().values().stream().mapToLong(Tensor::byteSize).sum();
      return new Outcome(before, after, quantized.size(), notices);
    }
  }

  private void layers() {
    ModelConfig config = source.config();
    try (ResidualStream stream = new ResidualStream(source, sequences)) {
      int done = stream.load(state);
      if (done > written()) {
        throw new CheckpointException(
            state + ": does not belong to the layers beside it; start over without resume");
      }
      for (int layer = done; layer < config.layers(); layer++) {
        progress.update(layer, config.layers(), "layer " + layer);
        calibrate(layer, stream);
        stream.save(state, layer + 1);
      }
      progress.update(config.layers(), config.layers(), "shards");
    }
  }

  /** Layers that were begun by an earlier run and have all their parts. */
  private int written() {
    int layers = 0;
    while (layers < source.config().layers() && isWritten(layers)) {
      layers++;
    }
    return layers;
  }

  /** Scales of attention are written before the last of the linear layers. */
  private boolean isWritten(int layer) {
    for (Part part : Part.values()) {
      if (!writer.has(part.module(layer))) {
        return false;
      }
    }
    return true;
  }

  /** The layer's parts are stored together at its end, so that a run resumes between layers. */
  private void calibrate(int layer, ResidualStream stream) {
    List<Runnable> parts = new ArrayList<>();
    Set<String> norms = new HashSet<>();
    LayerCalibration.Sink sink =
        new LayerCalibration.Sink() {
          @Override
          public void linear(String module, LinearWeights weights) {
            writer.requireStorable(module, weights);
            parts.add(() -> writer.add(module, weights));
          }

          @Override
          public void norm(String name, Tensor weight) {
            norms.add(name);
            parts.add(() -> writer.addDense(name, weight));
          }

          @Override
          public void scales(KvScales cache, @Nullable QueryScales query) {
            writer.requireStorable(layer, cache, query);
            parts.add(() -> writer.addScales(layer, cache, query));
          }
        };
    try (LayerCalibration work =
        new LayerCalibration(source, layer, recipe, kernels, stream, sink)) {
      unlessRefused(work::run);
      for (Norm norm : Norm.values()) {
        String weight = norm.module(layer) + ".weight";
        String bias = ModelLayout.normBias(weight);
        for (String name : source.hasTensor(bias) ? List.of(weight, bias) : List.of(weight)) {
          if (!norms.contains(name)) {
            parts.addFirst(() -> writer.addDense(name, source.tensor(name)));
          }
        }
      }
      parts.forEach(Runnable::run);
    }
  }

  /**
   * What cannot be computed or has no form will not be resumed either. A full disk, though, keeps
   * what is there.
   */
  private void unlessRefused(Runnable work) {
    try {
      work.run();
    } catch (CheckpointException e) {
      writer.discard();
      throw e;
    }
  }

  /**
   * What no decoder layer changes, before the hours that those take: it stays as it is, but for a
   * head that is named.
   */
  private void outer() {
    Set<String> changing = new HashSet<>();
    for (int layer = 0; layer < source.config().layers(); layer++) {
      for (Norm norm : Norm.values()) {
        changing.add(norm.module(layer) + ".weight");
      }
    }
    List<PlainShape> plain = new ArrayList<>();
    ModelLayout.plain(source.config(), plain::add);
    for (PlainShape shape : plain) {
      if (!changing.contains(shape.name())) {
        PlainTensors.copy(source, shape.name(), writer);
      }
    }
    if (!source.config().tiedEmbeddings() && !writer.has(ModelLayout.LM_HEAD)) {
      head();
    }
  }

  private void head() {
    if (!OutputLayer.quantized(recipe.options())) {
      writer.add(ModelLayout.LM_HEAD, source.lmHead());
      return;
    }
    try (Arena arena = Arena.ofShared()) {
      List<LinearWeights> made = new ArrayList<>();
      unlessRefused(
          () -> {
            made.add(OutputLayer.quantize(source, recipe.options(), arena));
            writer.requireStorable(ModelLayout.LM_HEAD, made.getFirst());
          });
      writer.add(ModelLayout.LM_HEAD, made.getFirst());
    }
  }
}
