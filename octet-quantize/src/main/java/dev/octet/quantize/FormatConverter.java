package dev.octet.quantize;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.CompressedTensorsWriter;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.PlainForm;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.checkpoint.gguf.GgufCheckpoint;
import dev.octet.quantize.CheckpointQuantizer.Outcome;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;

/**
 * Stores a quantized checkpoint in another format without changing a value: codes, scales and zero
 * points are those that were read, layer by layer, with one layer in memory at a time. A layer that
 * the other format cannot hold is refused by name and reason, and nothing is left behind. Only
 * {@link WriteFormat#DENSE} rounds: it stores the floats that the codes stand for.
 */
public final class FormatConverter {
  private final Checkpoint source;
  private final CompressedTensorsWriter writer;
  private final WriteFormat format;
  private final ConvertOptions options;
  private final Progress progress;
  private final DType dtype;
  private final TreeSet<String> notices = new TreeSet<>();
  private int quantized;
  private int bared;
  private int scales;
  private boolean rounded;

  private FormatConverter(
      Checkpoint source,
      CompressedTensorsWriter writer,
      WriteFormat format,
      ConvertOptions options,
      Progress progress) {
    this.source = source;
    this.writer = writer;
    this.format = format;
    this.options = options;
    this.progress = progress;
    this.dtype = options.dtype() == null ? source.config().dtype() : options.dtype();
  }

  /**
   * Converts {@code in} to a directory.
   *
   * @param in a model of any format that is read
   * @param out where the result is to appear
   * @throws CheckpointException if the input is unusable, the format cannot hold a layer, the
   *     output is in the way, or there is too little room
   */
  public static Outcome run(
      Path in, Path out, WriteFormat format, ConvertOptions options, Progress progress) {
    if (options.dtype() != null && format != WriteFormat.DENSE) {
      throw new CheckpointException("only a dense checkpoint's type can be chosen");
    }
    try (Original original = Original.open(in)) {
      Checkpoint source = original.source();
      requireQuantized(in, source, format);
      original.requireOutside(out);
      DiskRoom.require(out, estimate(source, format, options));
      Outcome outcome = convert(original, out, format, options, progress);
      List<String> notices = new ArrayList<>(outcome.notices());
      original.notice().ifPresent(notices::add);
      return new Outcome(
          outcome.modelBytes(), outcome.writtenBytes(), outcome.quantizedLayers(), notices);
    }
  }

  private static void requireQuantized(Path in, Checkpoint source, WriteFormat format) {
    if (source.format().equals("dense") && format != WriteFormat.DENSE) {
      throw new CheckpointException(
          in + ": is not quantized; octet quantize --format " + format.label() + " does that");
    }
  }

  private static long estimate(Checkpoint source, WriteFormat format, ConvertOptions options) {
    long stored = source.tensors().values().stream().mapToLong(Tensor::byteSize).sum();
    if (format != WriteFormat.DENSE) {
      return stored;
    }
    DType type = options.dtype() == null ? source.config().dtype() : options.dtype();
    long dense = MemoryEstimate.weightBytes(source.config(), null);
    return dense / source.config().dtype().bits() * type.bits();
  }

  private static Outcome convert(
      Original original, Path out, WriteFormat format, ConvertOptions options, Progress progress) {
    Checkpoint source = original.source();
    Path beside = original.beside();
    String recipe =
        "convert %s%n%s%n"
            .formatted(
                original.path().toAbsolutePath().normalize(),
                options.weightsOnly() + " " + options.dtype());
    WriteOptions write = WriteOptions.of(options.force(), options.resume(), recipe).as(format);
    try (CompressedTensorsWriter writer = CompressedTensorsWriter.open(out, beside, write)) {
      writer.copyFrom(source);
      FormatConverter run = new FormatConverter(source, writer, format, options, progress);
      try {
        run.layers();
        if (format == WriteFormat.DENSE) {
          writer.declareType(run.dtype);
        }
        writer.finish();
      } catch (CheckpointException e) {
        writer.discard(); // it would be refused again
        throw e;
      }
      return run.outcome(out);
    }
  }

  private Outcome outcome(Path out) {
    long before = source.tensors().values().stream().mapToLong(Tensor::byteSize).sum();
    if (bared > 0) {
      notices.add(
          "%d layers quantized their inputs, which is left out: they compute on 16-bit inputs"
              .formatted(bared));
    }
    if (rounded) {
      notices.add(
          "biases of static layers are rounded: Ascend holds them as whole multiples of their scales");
    }
    if (scales > 0) {
      notices.add("calibrated scales of attention and cache are left out");
    }
    try (Checkpoint result = Checkpoints.open(out)) {
      long after = result.tensors().values().stream().mapToLong(Tensor::byteSize).sum();
      return new Outcome(before, after, quantized, List.copyOf(notices));
    }
  }

  private void layers() {
    List<ModelLayout.PlainShape> plain = new ArrayList<>();
    List<ModelLayout.LinearShape> linears = new ArrayList<>();
    ModelLayout.plain(source.config(), plain::add);
    ModelLayout.linears(source.config(), linears::add);
    long total = plain.size() + (long) linears.size() + source.config().layers();
    long done = 0;
    for (int layer = 0; layer < source.config().layers(); layer++) {
      addScales(layer);
      progress.update(++done, total, "scales of layer " + layer);
    }
    for (ModelLayout.LinearShape shape : linears) {
      addLinear(shape.module());
      progress.update(++done, total, shape.module());
    }
    if (quantized == 0 && !dense()) {
      throw new CheckpointException(
          "no layer of the model is quantized; octet quantize --format %s does that"
              .formatted(format.label()));
    }
    for (ModelLayout.PlainShape shape : plain) {
      addPlain(shape.name());
      addPlain(ModelLayout.normBias(shape.name()));
      progress.update(++done, total, shape.name());
    }
  }

  private boolean dense() {
    return format == WriteFormat.DENSE;
  }

  private void addScales(int layer) {
    Optional<KvScales> cache = source.kvScales(layer);
    if (cache.isEmpty()) {
      return;
    }
    if (dense() || options.weightsOnly()) {
      scales++;
      return;
    }
    try {
      writer.addScales(layer, cache.get(), source.queryScales(layer).orElse(null));
    } catch (CheckpointException e) {
      throw new CheckpointException(e.getMessage() + "; --weights-only leaves these out", e);
    }
  }

  private void addLinear(String module) {
    LinearWeights read = source.linear(module);
    quantized += read.weight() instanceof DenseWeight ? 0 : 1;
    rounded |=
        format == WriteFormat.ASCEND
            && read.bias() != null
            && read.activation() instanceof ActivationQuant.StaticInt8;
    bared += (dense() || options.weightsOnly()) && read.activation().quantizes() ? 1 : 0;
    if (writer.has(module)) {
      return;
    }
    try (Arena arena = Arena.ofShared()) {
      writer.add(
          module,
          dense()
              ? Dequantized.layer(module, read, dtype, arena)
              : storable(module, prepared(read)));
    }
    OffHeapGarbage.made(read.byteSize());
  }

  private LinearWeights prepared(LinearWeights read) {
    LinearWeights plain = PlainForm.of(read);
    return options.weightsOnly() ? bare(plain) : plain;
  }

  /** Without what happens to the input. */
  static LinearWeights bare(LinearWeights layer) {
    return layer.activation().quantizes()
        ? layer.withActivation(new ActivationQuant.None())
        : layer;
  }

  /**
   * The layer, or one that says the same and can be stored; the first refusal is the one to tell.
   */
  private LinearWeights storable(String module, LinearWeights layer) {
    try {
      writer.requireStorable(module, layer);
      return layer;
    } catch (CheckpointException e) {
      LinearWeights perRow = PlainForm.perRow(layer);
      if (!perRow.equals(layer) && isStorable(module, perRow)) {
        return perRow;
      }
      boolean inputs = layer.activation().quantizes() && isStorable(module, bare(layer));
      throw inputs
          ? new CheckpointException(e.getMessage() + "; --weights-only keeps the weights", e)
          : e;
    }
  }

  private boolean isStorable(String module, LinearWeights layer) {
    try {
      writer.requireStorable(module, layer);
      return true;
    } catch (CheckpointException e) {
      return false;
    }
  }

  /** GGUF's embeddings and norms become floats of the smallest type that holds each of them. */
  private void addPlain(String name) {
    if (!source.hasTensor(name) || writer.hasTensor(name)) {
      return;
    }
    try (Arena arena = Arena.ofShared()) {
      boolean embedding = name.equals(ModelLayout.EMBEDDING);
      Tensor stored =
          embedding && source.embedding() instanceof DenseWeight(Tensor values)
              ? values
              : embedding
                  ? Dequantized.matrix(name, source.embedding(), DType.F32, arena)
                  : source.tensor(name);
      writer.addDense(
          name, dense() ? Dequantized.tensor(name, stored, dtype, arena) : narrowed(stored, arena));
    }
  }

  private Tensor narrowed(Tensor stored, Arena arena) {
    if (!(source instanceof GgufCheckpoint) || stored.dtype() != DType.F32) {
      return stored;
    }
    for (DType type : List.of(source.config().dtype(), DType.BF16, DType.F16)) {
      Tensor narrow = stored.to(type, arena);
      if (same(narrow, stored)) {
        return narrow;
      }
    }
    return stored;
  }

  private static boolean same(Tensor a, Tensor b) {
    for (long i = 0; i < b.size(); i++) {
      if (a.getFloat(i) != b.getFloat(i)) {
        return false;
      }
    }
    return true;
  }
}
