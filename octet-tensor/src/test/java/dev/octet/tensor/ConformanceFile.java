package dev.octet.tensor;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;

/** Just enough of safetensors to read a well-formed file of expected values. */
final class ConformanceFile {
  private final String header;
  private final MemorySegment data;

  private ConformanceFile(byte[] bytes) {
    Arena arena = Arena.ofAuto();
    MemorySegment all = arena.allocate(bytes.length, 64);
    MemorySegment.copy(bytes, 0, all, ValueLayout.JAVA_BYTE, 0, bytes.length);
    long n = all.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
    this.header = new String(bytes, 8, (int) n, StandardCharsets.UTF_8);
    this.data = all.asSlice(8 + n);
  }

  static ConformanceFile open(String relative) {
    String override = System.getProperty("octet.shared");
    Path root = override == null ? beside(Path.of("").toAbsolutePath()) : Path.of(override);
    Assumptions.assumeTrue(Files.isDirectory(root), "no shared test data at " + root);
    try {
      return new ConformanceFile(Files.readAllBytes(root.resolve(relative)));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Path beside(Path start) {
    Path at = start;
    while (at.getParent() != null && !Files.exists(at.resolve("mvnw"))) {
      at = at.getParent();
    }
    return at.resolveSibling("shared");
  }

  Tensor tensor(String name) {
    Matcher entry =
        Pattern.compile(
                "\"%s\":\\s*\\{\"dtype\":\\s*\"(\\w+)\",\\s*\"shape\":\\s*\\[([^]]*)],\\s*\"data_offsets\":\\s*\\[(\\d+),\\s*(\\d+)]"
                    .formatted(Pattern.quote(name)))
            .matcher(header);
    if (!entry.find()) {
      throw new IllegalArgumentException(name + " is not in " + header);
    }
    long[] shape =
        Arrays.stream(entry.group(2).split(",", -1))
            .map(String::strip)
            .mapToLong(Long::parseLong)
            .toArray();
    long from = Long.parseLong(entry.group(3));
    long to = Long.parseLong(entry.group(4));
    return Tensor.of(DType.valueOf(entry.group(1)), data.asSlice(from, to - from), shape);
  }
}
