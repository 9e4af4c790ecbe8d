package dev.octet.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/**
 * The most memory that this process has held in RAM at once ({@code VmHWM} of proc_pid_status(5)),
 * heap, weights and pages of mapped files; unknown where the system does not say.
 */
final class PeakMemory {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final Path CLEAR = Path.of("/proc/self/clear_refs");
  private static final String FIELD = "VmHWM:";

  private PeakMemory() {}

  /** Starts anew from what is held now, where the system allows it (proc_pid_clear_refs(5)). */
  static void forget() {
    try {
      Files.writeString(CLEAR, "5");
    } catch (IOException e) {
      return; // then the peak is that of the whole process
    }
  }

  static OptionalLong bytes() {
    try {
      return Files.readAllLines(STATUS).stream()
          .filter(line -> line.startsWith(FIELD))
          .mapToLong(PeakMemory::kibibytes)
          .map(kib -> kib << 10)
          .findFirst();
    } catch (IOException e) {
      return OptionalLong.empty();
    }
  }

  /** {@code VmHWM: 123456 kB}. */
  private static long kibibytes(String line) {
    String number = line.substring(FIELD.length()).replace("kB", "").strip();
    return number.chars().allMatch(Character::isDigit) ? Long.parseLong(number) : 0;
  }
}
