package dev.octet.benchpeers;

import dev.octet.checkpoint.gguf.GgufType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes a GGUF file of version 3 (ggml's docs/gguf.md): metadata, then tensors one after another,
 * each on a multiple of 32 bytes. Values of a tensor are one pattern of blocks, repeated.
 */
final class GgufWriter {
  private static final int VERSION = 3;
  private static final int ALIGNMENT = 32;
  private static final int UINT32 = 4;
  private static final int FLOAT32 = 6;
  private static final int STRING = 8;

  private record Entry(long bytes, byte[] pattern) {}

  private final ByteArrayOutputStream metadata = new ByteArrayOutputStream();
  private final ByteArrayOutputStream infos = new ByteArrayOutputStream();
  private final List<Entry> tensors = new ArrayList<>();
  private int metadataCount;
  private long offset;

  GgufWriter text(String key, String value) {
    key(key, STRING);
    string(metadata, value);
    return this;
  }

  GgufWriter uint32(String key, long value) {
    key(key, UINT32);
    metadata.writeBytes(little(4).putInt((int) value).array());
    return this;
  }

  GgufWriter float32(String key, double value) {
    key(key, FLOAT32);
    metadata.writeBytes(little(4).putFloat((float) value).array());
    return this;
  }

  private void key(String key, int type) {
    metadataCount++;
    string(metadata, key);
    metadata.writeBytes(little(4).putInt(type).array());
  }

  /**
   * Declares a tensor.
   *
   * @param pattern whole blocks of that type
   * @param rows 0 for a vector
   * @param columns a multiple of the type's block
   */
  GgufWriter tensor(String name, GgufType type, byte[] pattern, long rows, long columns) {
    if (columns % type.blockElements() != 0 || pattern.length % type.blockBytes() != 0) {
      throw new IllegalArgumentException(
          name + ": " + columns + " columns are no whole blocks of " + type);
    }
    string(infos, name);
    infos.writeBytes(little(4).putInt(rows == 0 ? 1 : 2).array());
    infos.writeBytes(little(8).putLong(columns).array());
    if (rows != 0) {
      infos.writeBytes(little(8).putLong(rows).array());
    }
    infos.writeBytes(little(4).putInt(type.id()).array());
    infos.writeBytes(little(8).putLong(offset).array());
    long bytes = Math.max(1, rows) * (columns / type.blockElements()) * type.blockBytes();
    tensors.add(new Entry(bytes, pattern));
    offset = aligned(offset + bytes);
    return this;
  }

  /** Bytes of all tensors, the space between them included. */
  long tensorBytes() {
    return offset;
  }

  /** Writes the file; it must not be there yet. */
  void write(Path file) throws IOException {
    try (FileChannel out =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      ByteArrayOutputStream head = new ByteArrayOutputStream();
      head.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
      head.writeBytes(little(4).putInt(VERSION).array());
      head.writeBytes(little(8).putLong(tensors.size()).array());
      head.writeBytes(little(8).putLong(metadataCount).array());
      head.writeBytes(metadata.toByteArray());
      head.writeBytes(infos.toByteArray());
      writeAll(out, ByteBuffer.wrap(head.toByteArray()));
      pad(out);
      for (Entry tensor : tensors) {
        for (long at = 0; at < tensor.bytes; at += tensor.pattern.length) {
          int length = (int) Math.min(tensor.pattern.length, tensor.bytes - at);
          writeAll(out, ByteBuffer.wrap(tensor.pattern, 0, length));
        }
        pad(out);
      }
    }
  }

  private static void writeAll(FileChannel out, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      int _ = out.write(bytes);
    }
  }

  private static void pad(FileChannel out) throws IOException {
    long at = out.position();
    writeAll(out, ByteBuffer.allocate((int) (aligned(at) - at)));
  }

  private static long aligned(long at) {
    return Math.ceilDiv(at, ALIGNMENT) * ALIGNMENT;
  }

  private static void string(ByteArrayOutputStream to, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    to.writeBytes(little(8).putLong(bytes.length).array());
    to.writeBytes(bytes);
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
