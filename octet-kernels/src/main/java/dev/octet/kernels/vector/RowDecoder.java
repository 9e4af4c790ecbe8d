package dev.octet.kernels.vector;

/**
 * Turns stored codes into F32, a stretch of a row at a time, so that the whole matrix never exists
 * in floats. One implementation a weight form.
 */
interface RowDecoder {
  /** Columns come out in pairs of vectors, the even columns of a stretch first: see Int4Decoder. */
  default boolean splitsPairs() {
    return false;
  }

  /** Largest magnitude a decoded value can have if values are integers, else 0. */
  default int integerBound() {
    return 0;
  }

  /**
   * Decodes columns {@code from} to {@code from + count} of {@code row}.
   *
   * @param from a multiple of two vectors
   */
  void decode(long row, int from, int count, float[] out, int outFrom);
}
