package dev.octet.quantize.rotate;

import java.util.Optional;

/**
 * Hadamard matrices that are no power of two: entries ±1, rows orthogonal. Both constructions are
 * Paley's (J. Math. Phys. 12, 1933): with q a power of an odd prime and Q the matrix of quadratic
 * characters of a − b,
 *
 * <ul>
 *   <li>I, q ≡ 3 (mod 4), order q + 1: the identity plus Q bordered by ones, its column negative;
 *   <li>II, q ≡ 1 (mod 4), order 2(q + 1): in the same matrix, bordered by ones, every ±1 becomes
 *       {@code ±[1 1; 1 −1]} and every 0 becomes {@code [1 −1; −1 −1]}.
 * </ul>
 */
final class HadamardMatrix {
  private HadamardMatrix() {}

  /** A matrix of that order, [order][order]; empty if the constructions give none. */
  static Optional<byte[][]> of(int order) {
    if (order == 1) {
      return Optional.of(new byte[][] {{1}});
    }
    if (order % 4 != 0) {
      return Optional.empty();
    }
    return first(order).or(() -> second(order));
  }

  private static Optional<byte[][]> first(int order) {
    int q = order - 1;
    if (q % 4 != 3) {
      return Optional.empty();
    }
    return GaloisField.of(q)
        .map(
            field -> {
              byte[][] h = conference(field, q, -1);
              for (int i = 0; i <= q; i++) {
                h[i][i] = 1;
              }
              return h;
            });
  }

  private static Optional<byte[][]> second(int order) {
    int q = order / 2 - 1;
    if (q % 4 != 1) {
      return Optional.empty();
    }
    return GaloisField.of(q)
        .map(
            field -> {
              byte[][] c = conference(field, q, 1);
              byte[][] h = new byte[order][order];
              for (int i = 0; i < order; i++) {
                for (int j = 0; j < order; j++) {
                  int entry = c[i / 2][j / 2];
                  int lower = i % 2;
                  int right = j % 2;
                  boolean negative = entry == 0 ? lower + right > 0 : lower + right == 2;
                  h[i][j] = (byte) ((negative ? -1 : 1) * (entry == 0 ? 1 : entry));
                }
              }
              return h;
            });
  }

  /** Q with a row of ones above it, a column of {@code side} left of it and 0 on the diagonal. */
  private static byte[][] conference(GaloisField field, int q, int side) {
    byte[][] c = new byte[q + 1][q + 1];
    for (int i = 0; i < q; i++) {
      c[0][i + 1] = 1;
      c[i + 1][0] = (byte) side;
      for (int j = 0; j < q; j++) {
        c[i + 1][j + 1] = (byte) field.character(i, j);
      }
    }
    return c;
  }
}
