package dev.octet.quantize;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ScratchFolder;
import dev.octet.checkpoint.gguf.GgufCheckpoint;
import dev.octet.checkpoint.gguf.GgufParts;
import dev.octet.checkpoint.gguf.GgufType;
import dev.octet.checkpoint.gguf.HuggingFaceFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A model that another is made of, with the folder of what belongs beside its weights: its own, or,
 * as a GGUF file has none, one that is made of the file's metadata and goes again.
 */
public final class Original implements AutoCloseable {
  private static final Set<GgufType> FLOATS = Set.of(GgufType.F32, GgufType.F16, GgufType.BF16);

  private final Path path;
  private final Checkpoint source;
  private final @Nullable ScratchFolder made;
  private final Optional<String> notice;

  private Original(
      Path path, Checkpoint source, @Nullable ScratchFolder made, Optional<String> notice) {
    this.path = path;
    this.source = source;
    this.made = made;
    this.notice = notice;
  }

  /**
   * Opens a model of any format.
   *
   * @throws CheckpointException if it is unusable
   */
  static Original open(Path in) {
    Checkpoint source = Checkpoints.open(in);
    try {
      return source instanceof GgufCheckpoint gguf
          ? ofFile(gguf)
          : new Original(in, source, null, Optional.empty());
    } catch (RuntimeException e) {
      source.close();
      throw e;
    }
  }

  /**
   * Opens a model to quantize: a directory of 16- or 32-bit weights, or a GGUF file of F32, F16 or
   * BF16.
   *
   * @throws CheckpointException if it is unusable or quantized already
   */
  public static Original unquantized(Path in) {
    Original original = open(in);
    try {
      original.requireUnquantized();
      return original;
    } catch (RuntimeException e) {
      original.close();
      throw e;
    }
  }

  private static Original ofFile(GgufCheckpoint source) {
    ScratchFolder made = ScratchFolder.create(null, "octet-gguf");
    try {
      Optional<String> notice = HuggingFaceFiles.write(source, made.path());
      return new Original(source.file().file(), source, made, notice);
    } catch (RuntimeException e) {
      made.close();
      throw e;
    }
  }

  private void requireUnquantized() {
    if (!(source instanceof GgufCheckpoint gguf)) {
      require(source.format().equals("dense"), source.format());
      return;
    }
    gguf.file()
        .tensors()
        .forEach(
            (name, tensor) ->
                require(
                    FLOATS.contains(tensor.type()),
                    "gguf, %s is %s".formatted(name, tensor.type())));
  }

  private void require(boolean unquantized, String how) {
    if (!unquantized) {
      throw new CheckpointException(
          "%s: is quantized already (%s); quantize the original".formatted(path, how));
    }
  }

  /** Refuses to replace the directory that the model lies in, or one of its own files. */
  public void requireOutside(Path out) {
    try {
      if (source instanceof GgufCheckpoint && Files.isRegularFile(out)) {
        for (Path part : GgufParts.all(path)) {
          if (Files.isSameFile(out, part)) {
            throw new CheckpointException(out + ": is the source; choose another file");
          }
        }
      }
      if (Files.isDirectory(out) && path.toRealPath().startsWith(out.toRealPath())) {
        throw new CheckpointException(
            out + ": is the source or holds it; choose another directory");
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The directory, or the GGUF file. */
  Path path() {
    return path;
  }

  public Checkpoint source() {
    return source;
  }

  /** Where config.json is, and the tokenizer's files if there are any. */
  public Path beside() {
    return made == null ? path : made.path();
  }

  /** What is missing there, for the user to know. */
  public Optional<String> notice() {
    return notice;
  }

  @Override
  public void close() {
    source.close();
    if (made != null) {
      made.close();
    }
  }
}
