package dev.octet.checkpoint;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.octet.checkpoint.internal.Json;
import java.lang.foreign.MemorySegment;

/** Reads GGUF's little-endian primitives front to back; running off the end is a clear error. */
final class GgufCursor {
  private static final long MAX_STRING = 64L << 20;

  private final MemorySegment bytes;
  private final String where;
  private long position;

  GgufCursor(MemorySegment bytes, String where) {
    this.bytes = bytes;
    this.where = where;
  }

  long position() {
    return position;
  }

  long remaining() {
    return bytes.byteSize() - position;
  }

  private long advance(long length, String what) {
    if (length > remaining()) {
      throw new CheckpointException(
          "%s: ends inside %s at byte %d (cut off?)".formatted(where, what, position));
    }
    long at = position;
    position += length;
    return at;
  }

  byte readByte(String what) {
    return bytes.get(JAVA_BYTE, advance(1, what));
  }

  short readShort(String what) {
    return bytes.get(JAVA_SHORT_UNALIGNED, advance(2, what));
  }

  int readInt(String what) {
    return bytes.get(JAVA_INT_UNALIGNED, advance(4, what));
  }

  long readLong(String what) {
    return bytes.get(JAVA_LONG_UNALIGNED, advance(8, what));
  }

  float readFloat(String what) {
    return bytes.get(JAVA_FLOAT_UNALIGNED, advance(4, what));
  }

  double readDouble(String what) {
    return bytes.get(JAVA_DOUBLE_UNALIGNED, advance(8, what));
  }

  /** A count of things that take at least {@code leastBytes} each: it must fit what is left. */
  long readCount(String what, long leastBytes) {
    long count = readLong(what);
    if (Long.compareUnsigned(count, remaining() / leastBytes) > 0) {
      throw new CheckpointException(
          "%s: %s of %s, more than the file can hold"
              .formatted(where, what, Long.toUnsignedString(count)));
    }
    return count;
  }

  String readString(String what) {
    long length = readCount("length of " + what, 1);
    if (length > MAX_STRING) {
      throw new CheckpointException(where + ": " + what + " has " + length + " bytes");
    }
    long at = advance(length, what);
    return Json.utf8(bytes.asSlice(at, length).asByteBuffer(), where + ": " + what);
  }

  void skip(long count, long size, String what) {
    if (count > remaining() / size) {
      throw new CheckpointException(
          "%s: ends inside %s at byte %d (cut off?)".formatted(where, what, position));
    }
    position += count * size;
  }
}
