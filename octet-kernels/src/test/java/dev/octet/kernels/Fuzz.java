package dev.octet.kernels;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.TreeMap;

/**
 * Random cases for a share of the time that all fuzz tests have together: three seconds, or {@code
 * octet.fuzz.seconds}. A case depends on its seed alone. Seeds count up from 1, or from {@code
 * octet.fuzz.seed}, where 0 has one drawn.
 *
 * <p>A sanitizer ends the process where it finds something, so what is being tried stands in a file
 * of {@code target/fuzz} until it was right.
 */
public final class Fuzz {
  private static final long SECONDS = Long.getLong("octet.fuzz.seconds", 3);
  private static final long SEED = Long.getLong("octet.fuzz.seed", 1);
  private static final Path FOLDER = Path.of("target", "fuzz");

  private final String test;
  private final Path file;
  private final Map<String, Integer> tried = new TreeMap<>();
  private long seed;

  private Fuzz(String test) {
    this.test = test;
    this.file = FOLDER.resolve(test + ".txt");
  }

  /** What a case does with its own random numbers; whatever it throws is a fault found. */
  @FunctionalInterface
  public interface Case {
    void run(Random random, Fuzz fuzz);
  }

  /**
   * Runs cases one after the other, at least one, and prints what was tried.
   *
   * @param percent the share of the time
   */
  public static void run(Class<?> test, int percent, Case one) {
    Fuzz fuzz = new Fuzz(test.getSimpleName());
    long first = SEED == 0 ? new SplittableRandom().nextLong(1, 1L << 40) : SEED;
    long end = System.nanoTime() + SECONDS * 10_000_000L * percent;
    fuzz.seed = first;
    do {
      fuzz.tries("");
      try {
        one.run(new Random(fuzz.seed), fuzz);
      } catch (RuntimeException | Error e) {
        throw new AssertionError(fuzz.again() + ": " + e.getMessage(), e);
      }
      fuzz.seed++;
    } while (System.nanoTime() < end);
    System.out.printf(
        "[fuzz] %s: %d cases from seed %d; %s%n", fuzz.test, fuzz.seed - first, first, fuzz.tried);
    fuzz.delete();
  }

  /** Notes what comes next, for a process that ends there. */
  public void tries(String what) {
    try {
      Files.createDirectories(FOLDER);
      Files.writeString(file, again() + " " + what + System.lineSeparator());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Counts something tried, to be printed at the end. */
  public void count(String what) {
    tried.merge(what, 1, Integer::sum);
  }

  private String again() {
    return "seed %d (again: -Dtest=%s -Doctet.fuzz.seed=%d)".formatted(seed, test, seed);
  }

  private void delete() {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
