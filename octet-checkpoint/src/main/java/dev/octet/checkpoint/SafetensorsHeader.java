package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.Texts;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * The JSON header of a safetensors file, checked by the rules of the format's own reader
 * (huggingface/safetensors, {@code tensor.rs}): known types, sizes that match shapes, and tensors
 * that tile the data buffer without hole or overlap.
 */
final class SafetensorsHeader {
  private static final int MAX_RANK = 32;
  private static final int MAX_TENSORS = 1_000_000;

  /** One tensor: bytes {@code begin} to {@code end} of the data buffer. */
  record Entry(String name, DType dtype, long[] shape, long begin, long end) {}

  private final String where;
  private final JsonParser json;
  private final long[] numbers = new long[MAX_RANK];
  private final List<Entry> entries = new ArrayList<>();
  private final Map<String, String> metadata = new TreeMap<>();

  private SafetensorsHeader(String where, JsonParser json) {
    this.where = where;
    this.json = json;
  }

  /**
   * @param where file name for messages
   * @param bytes the header
   * @param dataBytes bytes after the header
   */
  static SafetensorsHeader parse(String where, ByteBuffer bytes, long dataBytes) {
    if (!bytes.hasRemaining() || bytes.get(bytes.position()) != '{') {
      throw new CheckpointException(where + ": the header must begin with '{'");
    }
    try (JsonParser json = Json.parser(bytes)) {
      SafetensorsHeader header = new SafetensorsHeader(where, json);
      header.readTop();
      header.requireTiling(dataBytes);
      return header;
    } catch (JacksonException e) {
      throw new CheckpointException(where + ": the header is " + Json.problem(e), e);
    }
  }

  /** Tensors in the order of their bytes. */
  List<Entry> entries() {
    return entries;
  }

  Map<String, String> metadata() {
    return metadata;
  }

  private void readTop() {
    json.nextToken();
    while (json.nextToken() != JsonToken.END_OBJECT) {
      String name = json.currentName();
      json.nextToken();
      if (name.equals("__metadata__")) {
        readMetadata();
      } else if (entries.size() == MAX_TENSORS) {
        throw new CheckpointException(where + ": more than " + MAX_TENSORS + " tensors");
      } else {
        entries.add(readEntry(name));
      }
    }
    if (json.nextToken() != null) {
      throw new CheckpointException(where + ": the header goes on after its closing brace");
    }
  }

  private void readMetadata() {
    if (json.currentToken() == JsonToken.VALUE_NULL) {
      return;
    }
    if (json.currentToken() != JsonToken.START_OBJECT) {
      throw new CheckpointException(where + ": __metadata__ must be an object of strings");
    }
    while (json.nextToken() != JsonToken.END_OBJECT) {
      String key = json.currentName();
      if (json.nextToken() != JsonToken.VALUE_STRING) {
        throw new CheckpointException(
            where + ": __metadata__ entry " + Texts.quote(key) + " must be a string");
      }
      metadata.put(key, json.getString());
    }
  }

  private Entry readEntry(String name) {
    if (json.currentToken() != JsonToken.START_OBJECT) {
      throw problem(name, " must be a JSON object");
    }
    DType dtype = null;
    long[] shape = null;
    long[] offsets = null;
    while (json.nextToken() != JsonToken.END_OBJECT) {
      String field = json.currentName();
      json.nextToken();
      switch (field) {
        case "dtype" -> dtype = readDType(name);
        case "shape" -> shape = readLongs(name, "shape", MAX_RANK);
        case "data_offsets" -> offsets = readLongs(name, "data_offsets", 2);
        default -> json.skipChildren();
      }
    }
    return checked(name, dtype, shape, offsets);
  }

  private DType readDType(String name) {
    if (json.currentToken() != JsonToken.VALUE_STRING) {
      throw problem(name, ": dtype must be a string");
    }
    String text = json.getString();
    return DType.ofSafetensors(text)
        .orElseThrow(() -> problem(name, ": unknown dtype " + Texts.quote(text)));
  }

  private long[] readLongs(String name, String field, int most) {
    if (json.currentToken() != JsonToken.START_ARRAY) {
      throw problem(name, ": " + field + " must be an array of integers");
    }
    int n = 0;
    while (json.nextToken() != JsonToken.END_ARRAY) {
      if (n == most) {
        throw problem(name, ": " + field + " has more than " + most + " entries");
      }
      if (!isCount()) {
        throw problem(
            name, ": " + field + " must hold integers from 0 to 2^63 - 1, not " + token());
      }
      numbers[n++] = json.getLongValue();
    }
    return Arrays.copyOf(numbers, n);
  }

  /** An integer that fits, and not −0, which the format's own reader takes for a fraction. */
  private boolean isCount() {
    if (json.currentToken() != JsonToken.VALUE_NUMBER_INT
        || json.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
      return false;
    }
    long value = json.getLongValue();
    return value > 0 || (value == 0 && json.getStringLength() == 1);
  }

  private String token() {
    return json.currentToken().isScalarValue() ? Texts.quote(json.getString()) : "a nested value";
  }

  private Entry checked(
      String name, @Nullable DType dtype, long @Nullable [] shape, long @Nullable [] o) {
    if (dtype == null || shape == null || o == null) {
      String missing = dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets";
      throw problem(name, " has no " + missing);
    }
    if (o.length != 2 || o[0] > o[1]) {
      throw problem(
          name, ": data_offsets " + Arrays.toString(o) + " must be [begin, end], begin <= end");
    }
    long bytes;
    try {
      bytes = Tensor.byteSize(dtype, shape);
    } catch (ArithmeticException e) {
      throw new CheckpointException(
          "%s: the size of %s %s overflows or is no whole number of bytes"
              .formatted(at(name), dtype, Arrays.toString(shape)),
          e);
    }
    if (bytes != o[1] - o[0]) {
      throw problem(
          name,
          ": %s %s takes %d bytes, data_offsets give it %d"
              .formatted(dtype, Arrays.toString(shape), bytes, o[1] - o[0]));
    }
    return new Entry(name, dtype, shape, o[0], o[1]);
  }

  /** Bytes that belong to no tensor or to two could hide another file's content. */
  private void requireTiling(long dataBytes) {
    entries.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    long position = 0;
    for (Entry e : entries) {
      if (e.end > dataBytes) {
        throw problem(
            e.name,
            " ends at byte %d of the data, the file has %d (cut off?)".formatted(e.end, dataBytes));
      }
      if (e.begin != position) {
        throw problem(
            e.name,
            " begins at byte %d of the data, expected %d: %s"
                .formatted(e.begin, position, e.begin > position ? "a hole" : "an overlap"));
      }
      position = e.end;
    }
    if (position != dataBytes) {
      throw new CheckpointException(
          "%s: %d bytes after the last tensor".formatted(where, dataBytes - position));
    }
  }

  private CheckpointException problem(String name, String what) {
    return new CheckpointException(at(name) + what);
  }

  private String at(String name) {
    return where + ": tensor " + Texts.quote(name);
  }
}
