package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.UnsupportedCheckpointException;
import dev.octet.checkpoint.internal.Texts;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/** Typed access to the metadata of a mapped GGUF file; errors name the file and the key. */
public final class GgufMetadata {
  private static final int TEXT = 8;

  private final Path file;
  private final MemorySegment bytes;
  private final SortedMap<String, GgufValue> values;

  GgufMetadata(Path file, MemorySegment bytes, SortedMap<String, GgufValue> values) {
    this.file = file;
    this.bytes = bytes;
    this.values = values;
  }

  /** All values by key. */
  public SortedMap<String, GgufValue> values() {
    return values;
  }

  public boolean has(String key) {
    return values.containsKey(key);
  }

  /** A string, if it is there. */
  public Optional<String> text(String key) {
    return switch (values.get(key)) {
      case null -> Optional.empty();
      case GgufValue.Text(String text) -> Optional.of(text);
      case GgufValue other -> throw wrongType(key, "a string", other);
    };
  }

  /** A boolean, or {@code fallback}. */
  public boolean flag(String key, boolean fallback) {
    return switch (values.get(key)) {
      case null -> fallback;
      case GgufValue.Flag(boolean flag) -> flag;
      case GgufValue other -> throw wrongType(key, "a boolean", other);
    };
  }

  /** An integer within bounds, if it is there. */
  public OptionalInt integer(String key, int least, int most) {
    return switch (values.get(key)) {
      case null -> OptionalInt.empty();
      case GgufValue.Whole(long value) when value >= least && value <= most ->
          OptionalInt.of((int) value);
      case GgufValue other ->
          throw wrongType(key, "an integer from %d to %d".formatted(least, most), other);
    };
  }

  /** An integer within bounds. */
  public int requireInteger(String key, int least, int most) {
    return integer(key, least, most).orElseThrow(() -> problem(key, "is missing"));
  }

  /** A finite number, if it is there. */
  public OptionalDouble number(String key) {
    return switch (values.get(key)) {
      case null -> OptionalDouble.empty();
      case GgufValue.Whole(long value) -> OptionalDouble.of((double) value);
      case GgufValue.Real(double value) when Double.isFinite(value) -> OptionalDouble.of(value);
      case GgufValue other -> throw wrongType(key, "a finite number", other);
    };
  }

  /** A positive number, if it is there. */
  public OptionalDouble positive(String key) {
    OptionalDouble number = number(key);
    if (number.isPresent() && !(number.getAsDouble() > 0)) {
      throw problem(key, "must be positive, not " + number.getAsDouble());
    }
    return number;
  }

  /** An array of strings; empty if it is not there. */
  public List<String> texts(String key) {
    GgufValue.Many many = many(key);
    if (many == null) {
      return List.of();
    }
    if (many.elementType() != TEXT) {
      throw wrongType(key, "an array of strings", many);
    }
    GgufCursor in = cursor(many);
    List<String> texts = new ArrayList<>();
    for (long i = 0; i < many.length(); i++) {
      texts.add(in.text("element " + i + " of " + key));
    }
    return texts;
  }

  /** An array of numbers; empty if it is not there. */
  public float[] numbers(String key) {
    GgufValue.Many many = many(key);
    if (many == null) {
      return new float[0];
    }
    GgufCursor in = cursor(many);
    if (many.length() > Integer.MAX_VALUE - 8) {
      throw problem(key, "has " + many.length() + " elements");
    }
    float[] numbers = new float[(int) many.length()]; // all of them lie in the file
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] =
          switch (GgufHeader.value(in, many.elementType(), key)) {
            case GgufValue.Whole(long value) -> value;
            case GgufValue.Real(double value) -> (float) value;
            default -> throw wrongType(key, "an array of numbers", many);
          };
    }
    return numbers;
  }

  private GgufValue.@Nullable Many many(String key) {
    return switch (values.get(key)) {
      case null -> null;
      case GgufValue.Many many -> many;
      case GgufValue other -> throw wrongType(key, "an array", other);
    };
  }

  private GgufCursor cursor(GgufValue.Many many) {
    return new GgufCursor(file.toString(), bytes, many.position());
  }

  private CheckpointException wrongType(String key, String wanted, GgufValue value) {
    return problem(key, "must be " + wanted + ", not " + value);
  }

  /** An error about a key. */
  public CheckpointException problem(String key, String what) {
    return new CheckpointException(message(key, what));
  }

  /** An error about a key that asks for something this build does not do. */
  public UnsupportedCheckpointException unsupported(String key, String what) {
    return new UnsupportedCheckpointException(message(key, what));
  }

  private String message(String key, String what) {
    return "%s: metadata %s %s".formatted(file, Texts.quote(key), Texts.shorten(what));
  }
}
