package dev.octet.kernels.cpu;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * A library packed in the jar. It is loaded from a directory that only this user can enter, after
 * its checksum was compared, and deleted at once: the mapping keeps it alive.
 */
final class PackedLibrary {
  private static final String FOLDER = "native/";

  private PackedLibrary() {}

  /** Whether the build made a library. */
  static boolean has(String name) {
    return PackedLibrary.class.getResource(FOLDER + name + ".so") != null;
  }

  /**
   * Loads a library of the build for the life of the process.
   *
   * @throws NativeException if it is missing, not what was built, or cannot be loaded here
   */
  static SymbolLookup load(String name) {
    String system = System.getProperty("os.name") + " on " + System.getProperty("os.arch");
    if (!system.equals("Linux on amd64") && !system.equals("Linux on x86_64")) {
      throw new NativeException("they are written for Linux on x86-64, this is " + system);
    }
    return load(FOLDER, name);
  }

  /**
   * Loads a library for the life of the process.
   *
   * @param folder where it lies beside this class, with {@code SHA256SUMS}
   * @throws NativeException if it is missing, not what was built, or cannot be loaded here
   */
  @SuppressWarnings("restricted") // loads native code, which is what this package is for
  static SymbolLookup load(String folder, String name) {
    byte[] content = read(folder, name + ".so");
    String expected = checksum(folder, name + ".so");
    if (!expected.equals(sha256(content))) {
      throw new NativeException(name + ".so is not the file that was built: its checksum differs");
    }
    try {
      Path directory =
          Files.createTempDirectory(
              "octet-",
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      Path file = directory.resolve(name + ".so");
      try {
        Files.write(file, content);
        return SymbolLookup.libraryLookup(file, Arena.global());
      } finally {
        Files.deleteIfExists(file);
        Files.delete(directory);
      }
    } catch (IOException | UnsupportedOperationException e) {
      throw new NativeException("cannot unpack " + name + ".so: " + e, e);
    } catch (IllegalArgumentException e) {
      throw new NativeException(
          "the system does not load "
              + name
              + ".so from "
              + System.getProperty("java.io.tmpdir")
              + " ("
              + e.getMessage()
              + "); a folder that allows execution can be named with -Djava.io.tmpdir",
          e);
    }
  }

  private static String checksum(String folder, String file) {
    return new String(read(folder, "SHA256SUMS"), StandardCharsets.US_ASCII)
        .lines()
        .filter(line -> line.endsWith("/" + file))
        .map(line -> line.substring(0, line.indexOf(' ')))
        .findFirst()
        .orElseThrow(() -> new NativeException("no checksum of " + file + " in the jar"));
  }

  private static byte[] read(String folder, String file) {
    try (InputStream in = PackedLibrary.class.getResourceAsStream(folder + file)) {
      if (in == null) {
        throw new NativeException(file + " was not built into this jar");
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new NativeException("cannot read " + file + " in the jar: " + e, e);
    }
  }

  private static String sha256(byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }
}
