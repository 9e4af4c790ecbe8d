package dev.octet.train;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Tensor;

/**
 * The file from which a run goes on: number of updates done, parameters, and both AdamW moments,
 * little-endian. It appears under its name only when it is complete.
 *
 * <pre>
 * u64 magic "octetrun", u64 version 2, u64 fingerprint of the options, u64 steps of the run, u64 of
 * its warm-up, u64 steps done, u64 parameters, then parameters, first moments, second moments as F32
 * </pre>
 */
final class TrainState {
  private static final long MAGIC = 0x6e7572746574636fL;
  private static final long VERSION = 2;
  private static final int HEADER = 56;

  private TrainState() {}

  static void save(Path file, RunKey run, long done, FlatParameters p, AdamW optimizer) {
    Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
    try {
      PlainFile.requireReplaceable(file);
      try (FileChannel out =
          FileChannel.open(
              temporary,
              StandardOpenOption.CREATE,
              StandardOpenOption.TRUNCATE_EXISTING,
              StandardOpenOption.WRITE)) {
        ByteBuffer header = ByteBuffer.allocate(HEADER).order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(MAGIC).putLong(VERSION).putLong(run.fingerprint());
        header.putLong(run.steps()).putLong(run.warmup()).putLong(done);
        header.putLong(p.length()).flip();
        writeAll(out, header);
        writeAll(out, bytes(p.values(), p.length()));
        writeAll(out, bytes(optimizer.first(), p.length()));
        writeAll(out, bytes(optimizer.second(), p.length()));
        out.force(true);
      }
      PlainFile.replace(temporary, file);
    } catch (IOException e) {
      discard(temporary, e);
      throw new TrainException(
          "cannot write the state " + file + ": " + TrainException.reason(e), e);
    }
  }

  private static void discard(Path file, IOException because) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      because.addSuppressed(e);
    }
  }

  /** Fills parameters and moments, and returns the number of updates done. */
  static long load(Path file, RunKey run, FlatParameters p, AdamW optimizer) {
    try (FileChannel in = FileChannel.open(file, StandardOpenOption.READ)) {
      ByteBuffer header = ByteBuffer.allocate(HEADER).order(ByteOrder.LITTLE_ENDIAN);
      readAll(in, header, file);
      header.flip();
      if (header.getLong() != MAGIC || header.getLong() != VERSION) {
        throw new TrainException(file + " is not a training state of this version");
      }
      RunKey begun = new RunKey(header.getLong(), header.getLong(), header.getLong());
      long done = header.getLong();
      run.requireGoesOn(begun, done, file);
      long length = header.getLong();
      if (length != p.length() || in.size() != HEADER + 12 * length) {
        throw new TrainException(
            "%s holds %d parameters in %d bytes, but the model has %d"
                .formatted(file, length, in.size(), p.length()));
      }
      readAll(in, bytes(p.values(), length), file);
      readAll(in, bytes(optimizer.first(), length), file);
      readAll(in, bytes(optimizer.second(), length), file);
      return done;
    } catch (IOException e) {
      throw new TrainException(
          "cannot read the state " + file + ": " + TrainException.reason(e), e);
    }
  }

  private static ByteBuffer bytes(Tensor tensor, long length) {
    return new BytePointer(tensor.data_ptr())
        .capacity(Math.multiplyExact(length, 4L))
        .asByteBuffer();
  }

  private static void writeAll(FileChannel out, ByteBuffer data) throws IOException {
    while (data.hasRemaining()) {
      out.write(data);
    }
  }

  private static void readAll(FileChannel in, ByteBuffer data, Path file) throws IOException {
    while (data.hasRemaining()) {
      if (in.read(data) < 0) {
        throw new TrainException(file + " is cut short");
      }
    }
  }
}
