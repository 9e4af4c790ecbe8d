package dev.octet.checkpoint.gguf;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.internal.Json;
import java.lang.foreign.MemorySegment;

/** Reads a mapped header front to back; never beyond its end, whatever lengths it declares. */
final class GgufCursor {
  private final String where;
  private final MemorySegment bytes;
  private long position;

  GgufCursor(String where, MemorySegment bytes) {
    this(where, bytes, 0);
  }

  GgufCursor(String where, MemorySegment bytes, long position) {
    this.where = where;
    this.bytes = bytes;
    this.position = position;
  }

  long position() {
    return position;
  }

  long remaining() {
    return bytes.byteSize() - position;
  }

  CheckpointException error(String problem) {
    return new CheckpointException(where + ": " + problem);
  }

  byte u8(String what) {
    return bytes.get(JAVA_BYTE, advance(1, what));
  }

  short u16(String what) {
    return bytes.get(JAVA_SHORT_UNALIGNED, advance(2, what));
  }

  int u32(String what) {
    return bytes.get(JAVA_INT_UNALIGNED, advance(4, what));
  }

  long u64(String what) {
    return bytes.get(JAVA_LONG_UNALIGNED, advance(8, what));
  }

  float f32(String what) {
    return bytes.get(JAVA_FLOAT_UNALIGNED, advance(4, what));
  }

  double f64(String what) {
    return bytes.get(JAVA_DOUBLE_UNALIGNED, advance(8, what));
  }

  /** A u64 that counts things of at least {@code size} bytes each, all of which must follow. */
  long count(String what, long size) {
    long count = u64(what);
    if (Long.compareUnsigned(count, remaining() / size) > 0) {
      throw error(
          "%s of %s, but only %d bytes follow"
              .formatted(what, Long.toUnsignedString(count), remaining()));
    }
    return count;
  }

  /** Length and UTF-8 bytes. */
  String text(String what) {
    long length = count("length of " + what, 1);
    MemorySegment text = bytes.asSlice(position, length);
    position += length;
    return Json.utf8(text.asByteBuffer(), where + ": " + what);
  }

  void skip(long length, String what) {
    advance(length, what);
  }

  /** Moves on by {@code length} and returns where that began. */
  private long advance(long length, String what) {
    if (length > remaining()) {
      throw error("ends inside " + what + " at byte " + bytes.byteSize() + " (cut off?)");
    }
    long start = position;
    position += length;
    return start;
  }
}
