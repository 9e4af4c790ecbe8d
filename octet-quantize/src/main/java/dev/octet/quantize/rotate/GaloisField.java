package dev.octet.quantize.rotate;

import java.util.Optional;

/**
 * The field of q = p^e elements, as far as Paley's construction asks: differences and which
 * elements are squares. An element is a number below q whose digits to the base p are the
 * coefficients of a polynomial over the integers modulo p; products are taken modulo an irreducible
 * one.
 */
final class GaloisField {
  private final int p;
  private final int degree;
  private final int q;
  private final boolean[] square;

  private GaloisField(int p, int degree, int q, int modulus) {
    this.p = p;
    this.degree = degree;
    this.q = q;
    this.square = new boolean[q];
    for (int a = 1; a < q; a++) {
      square[times(a, a, modulus)] = true;
    }
  }

  /** The field of q elements; empty if q is no odd prime, its square or cube. */
  static Optional<GaloisField> of(int q) {
    int p = 3;
    while ((long) p * p <= q && q % p != 0) {
      p += 2;
    }
    p = q % p == 0 ? p : q;
    int degree = 0;
    int rest = q;
    while (rest % p == 0 && rest > 1) {
      rest /= p;
      degree++;
    }
    return q < 3 || q % 2 == 0 || rest > 1 || degree > 3
        ? Optional.empty()
        : Optional.of(new GaloisField(p, degree, q, irreducible(p, degree, q)));
  }

  /** 1 for squares, −1 for what is none, 0 for 0: the quadratic character of a − b. */
  int character(int a, int b) {
    int difference = minus(a, b);
    return difference == 0 ? 0 : square[difference] ? 1 : -1;
  }

  private int minus(int a, int b) {
    int difference = 0;
    for (int digit = 1; digit < q; digit *= p) {
      difference += Math.floorMod(a / digit % p - b / digit % p, p) * digit;
    }
    return difference;
  }

  /**
   * The digits below the leading 1 of a polynomial of that degree without a root, which up to
   * degree three is irreducible.
   */
  private static int irreducible(int p, int degree, int q) {
    if (degree == 1) {
      return 0;
    }
    for (int candidate = 1; candidate < q; candidate++) {
      if (!hasRoot(candidate, p, degree)) {
        return candidate;
      }
    }
    throw new IllegalStateException("no irreducible polynomial over " + p);
  }

  private static boolean hasRoot(int digits, int p, int degree) {
    for (int x = 0; x < p; x++) {
      long value = 0;
      long power = 1;
      int rest = digits;
      for (int i = 0; i < degree; i++) {
        value += rest % p * power;
        power = power * x % p;
        rest /= p;
      }
      if ((value + power) % p == 0) {
        return true;
      }
    }
    return false;
  }

  private int times(int a, int b, int modulus) {
    int[] product = new int[2 * degree];
    for (int i = 0, x = a; i < degree; i++, x /= p) {
      for (int j = 0, y = b; j < degree; j++, y /= p) {
        product[i + j] = (int) ((product[i + j] + (long) (x % p) * (y % p)) % p);
      }
    }
    for (int top = 2 * degree - 1; top >= degree; top--) {
      int rest = modulus;
      for (int i = 0; i < degree; i++, rest /= p) {
        int at = top - degree + i;
        product[at] = (int) Math.floorMod(product[at] - (long) product[top] * (rest % p), (long) p);
      }
    }
    int value = 0;
    for (int i = degree - 1; i >= 0; i--) {
      value = value * p + product[i];
    }
    return value;
  }
}
