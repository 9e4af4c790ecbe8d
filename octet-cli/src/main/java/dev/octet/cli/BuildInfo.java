package dev.octet.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;
import picocli.CommandLine.IVersionProvider;

/** What {@code octet --version} prints. */
final class BuildInfo implements IVersionProvider {
  /** Octet's version. */
  static String version() {
    return property("version");
  }

  /** What the build has written into the resource under that name. */
  static String property(String name) {
    Properties properties = new Properties();
    try (InputStream in = BuildInfo.class.getResourceAsStream("build.properties")) {
      if (in == null) {
        throw new IllegalStateException("build.properties is not in the jar");
      }
      properties.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return properties.getProperty(name, "unknown");
  }

  @Override
  public String[] getVersion() {
    return new String[] {
      "octet "
          + version()
          + " (JDK "
          + Runtime.version()
          + ", "
          + System.getProperty("os.arch")
          + ")"
    };
  }
}
