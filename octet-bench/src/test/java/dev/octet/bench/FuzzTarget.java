package dev.octet.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SequencedMap;

/**
 * What Jazzer calls with bytes that it makes up; {@code octet.fuzz.reader} says for which reader.
 */
public final class FuzzTarget {
  private static final FuzzReader READER =
      FuzzReader.valueOf(System.getProperty("octet.fuzz.reader", "CONFIG"));
  private static final Path ROOT = Path.of(System.getProperty("octet.fuzz.folder", "fuzz"));
  private static final SequencedMap<String, Path> MODELS = models();

  private FuzzTarget() {}

  private static SequencedMap<String, Path> models() {
    try {
      return FuzzModels.write(Files.createTempDirectory(Files.createDirectories(ROOT), "models"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Makes the models before the clock of the first input runs. */
  public static void fuzzerInitialize() throws IOException {
    Files.createDirectories(ROOT);
  }

  /** One input. */
  public static void fuzzerTestOneInput(byte[] data) throws IOException {
    Path work = Files.createTempDirectory(ROOT, "input");
    try {
      READER.read(data, MODELS, work);
    } finally {
      try (var files = Files.list(work)) {
        List<Path> all = files.toList();
        for (Path file : all) {
          Files.delete(file);
        }
      }
      Files.delete(work);
    }
  }
}
