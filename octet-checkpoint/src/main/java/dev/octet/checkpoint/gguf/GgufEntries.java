package dev.octet.checkpoint.gguf;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Metadata that is to be written, in the order of the calls. */
public final class GgufEntries {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private long count;

  /** Nothing yet. */
  public GgufEntries() {}

  public GgufEntries text(String key, String value) {
    return key(key, 8).string(value);
  }

  /** An unsigned 32-bit integer. */
  public GgufEntries whole(String key, int value) {
    return key(key, 4).u32(value);
  }

  public GgufEntries real(String key, double value) {
    return key(key, 6).u32(Float.floatToRawIntBits((float) value));
  }

  public GgufEntries flag(String key, boolean value) {
    key(key, 7);
    bytes.write(value ? 1 : 0);
    return this;
  }

  public GgufEntries texts(String key, List<String> values) {
    key(key, 9).u32(8).u64(values.size());
    values.forEach(this::string);
    return this;
  }

  public GgufEntries reals(String key, float[] values) {
    key(key, 9).u32(6).u64(values.length);
    for (float value : values) {
      u32(Float.floatToRawIntBits(value));
    }
    return this;
  }

  /** Signed 32-bit integers. */
  public GgufEntries wholes(String key, int[] values) {
    key(key, 9).u32(5).u64(values.length);
    for (int value : values) {
      u32(value);
    }
    return this;
  }

  /** Everything that {@code others} holds, behind what is there. */
  public GgufEntries also(GgufEntries others) {
    count += others.count;
    return raw(others.bytes());
  }

  long count() {
    return count;
  }

  byte[] bytes() {
    return bytes.toByteArray();
  }

  private GgufEntries key(String key, int type) {
    count++;
    return string(key).u32(type);
  }

  GgufEntries raw(byte[] content) {
    bytes.writeBytes(content);
    return this;
  }

  /** Length and UTF-8 bytes. */
  GgufEntries string(String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    u64(utf8.length);
    bytes.writeBytes(utf8);
    return this;
  }

  GgufEntries u32(int value) {
    bytes.writeBytes(buffer(4).putInt(value).array());
    return this;
  }

  GgufEntries u64(long value) {
    bytes.writeBytes(buffer(8).putLong(value).array());
    return this;
  }

  private static ByteBuffer buffer(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }
}
