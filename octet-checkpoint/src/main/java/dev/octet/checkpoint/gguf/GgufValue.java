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

  /**
   * An array.
   *
   * @param elementType number of the elements' type in the file
   * @param length elements
   * @param position first byte of the first element, from the start of the file
   */
  record Many(int elementType, long length, long position) implements GgufValue {
    @Override
    public String toString() {
      String of =
          switch (elementType) {
            case 8 -> "text";
            case 9 -> "array";
            default -> "number";
          };
      return of + "[" + length + "]";
    }
  }
}
