package dev.octet.quantize;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The memory of this machine, or of the container that is all of it for us. */
public final class HostMemory {
  private static final Path MEMINFO = Path.of("/proc/meminfo");
  private static final Pattern AVAILABLE = Pattern.compile("(?m)^MemAvailable:\\s+(\\d{1,15}) kB$");

  private HostMemory() {}

  /** All there is. */
  public static MemorySize total() {
    return MemorySize.of(system().getTotalMemorySize());
  }

  /**
   * What a program may take without driving others out: on Linux files kept in memory count as
   * available, since they give way; elsewhere what is free.
   */
  public static MemorySize available() {
    long free = meminfo().orElseGet(() -> system().getFreeMemorySize());
    return MemorySize.of(Math.min(free, system().getTotalMemorySize()));
  }

  private static OptionalLong meminfo() {
    try {
      return parse(Files.readString(MEMINFO));
    } catch (IOException e) {
      return OptionalLong.empty(); // not Linux: no such file
    }
  }

  /** {@code MemAvailable} of {@code /proc/meminfo} in bytes, where the kernel has it (3.14). */
  static OptionalLong parse(String meminfo) {
    Matcher line = AVAILABLE.matcher(meminfo);
    return line.find()
        ? OptionalLong.of(Long.parseLong(line.group(1)) * 1024)
        : OptionalLong.empty();
  }

  private static OperatingSystemMXBean system() {
    return (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  }
}
