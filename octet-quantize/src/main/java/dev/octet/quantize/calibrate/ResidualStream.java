package dev.octet.quantize.calibrate;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.checkpoint.WeightSource;
import dev.octet.model.LayerRunner;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * The residual stream of all calibration sequences between two layers, F32: the only thing that is
 * carried from layer to layer. It can be put down in a file, so that an interrupted run goes on
 * where it was.
 */
final class ResidualStream implements AutoCloseable {
  private static final String HIDDEN = "hidden";
  private static final String LAYER = "layers_done";

  private final Arena arena = Arena.ofShared();
  private final int[] starts;
  private final Tensor hidden;

  /** The embeddings of the sequences. */
  ResidualStream(WeightSource source, List<int[]> sequences) {
    this.starts = new int[sequences.size() + 1];
    for (int i = 0; i < sequences.size(); i++) {
      starts[i + 1] = Math.addExact(starts[i], sequences.get(i).length);
    }
    this.hidden = Tensor.allocate(arena, DType.F32, rows(), source.config().hiddenSize());
    for (int i = 0; i < sequences.size(); i++) {
      try (Arena scratch = Arena.ofShared()) {
        Tensor embedded = LayerRunner.embed(source, sequences.get(i), scratch);
        MemorySegment.copy(
            embedded.segment(), 0, sequence(i).segment(), 0, embedded.segment().byteSize());
      }
    }
  }

  int sequences() {
    return starts.length - 1;
  }

  /** Tokens of all sequences. */
  int rows() {
    return starts[starts.length - 1];
  }

  /** Sequence i, F32 [tokens, hidden]; writing changes the stream. */
  Tensor sequence(int i) {
    return hidden.rowRange(starts[i], starts[i + 1]);
  }

  /** Sequences at even distances that have about so many tokens; at least two if there are two. */
  int[] some(int tokens) {
    int all = sequences();
    long wanted = Math.ceilDiv((long) tokens * all, Math.max(1, rows()));
    int count = Math.clamp(wanted, Math.min(2, all), all);
    return IntStream.range(0, count).map(i -> (int) ((long) i * all / count)).toArray();
  }

  /** Writes the stream as it is after {@code layers} layers; the file appears whole or not. */
  void save(Path file, int layers) {
    Tensor done = Tensor.allocate(arena, DType.I32, 1);
    done.segment().set(JAVA_INT, 0, layers);
    SafetensorsWriter.write(file, new TreeMap<>(Map.of(HIDDEN, hidden, LAYER, done)));
  }

  /**
   * Takes up a stream that was saved.
   *
   * @return the layers it has been through; 0 if there is no such file
   * @throws CheckpointException if the file holds another run's stream
   */
  int load(Path file) {
    if (!Files.exists(file)) {
      return 0;
    }
    try (SafetensorsFile saved = SafetensorsFile.open(file)) {
      Tensor stream = saved.tensor(HIDDEN);
      if (stream.dtype() != DType.F32 || !stream.hasShape(hidden.shape())) {
        throw new CheckpointException(
            "%s: holds %s, this run has %s; start over without resume"
                .formatted(file, stream, hidden));
      }
      hidden.segment().copyFrom(stream.segment());
      return Math.toIntExact(saved.tensor(LAYER).getLong(0));
    }
  }

  /** Removes a saved stream. */
  static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}
