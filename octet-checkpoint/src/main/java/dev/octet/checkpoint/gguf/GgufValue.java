package dev.octet.checkpoint.gguf;

/** A metadata value. Long arrays (vocabularies) are not copied out of the file. */
public sealed interface GgufValue {
  /** An integer of any width; unsigned 64-bit ones keep their bits. */
  record Whole(long value) implements GgufValue {
    @Override
    public String toString() {
      return Long.toString(value);
    }
  }

  /** A 32- or 64-bit float. */
  record Real(double value) implements GgufValue {
    @Override
    public String toString() {
      return Double.toString(value);
    }
  }

  /** A boolean. */
  record Flag(boolean value) implements GgufValue {
    @Override
    public String toString() {
      return Boolean.toString(value);
    }
  }

  /** A string. */
  record Text(String value) implements GgufValue {
    @Override
    public String toString() {
      return value;
    }
  }

  /** An array of {@code length} elements. */
  record Many(String elementType, long length) implements GgufValue {
    @Override
    public String toString() {
      return elementType + "[" + length + "]";
    }
  }
}
