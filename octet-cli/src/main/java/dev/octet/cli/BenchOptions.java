package dev.octet.cli;

import picocli.CommandLine.Option;

/** {@code --json}, {@code --threads}: what every benchmark takes. */
final class BenchOptions {
  @Option(names = "--json", description = "one JSON object a line instead of a table")
  boolean json;

  @Option(
      names = "--threads",
      paramLabel = "N",
      defaultValue = "0",
      description = "threads that compute (default: one a core)")
  int threads;

  /**
   * Threads to use.
   *
   * @throws CliException if the number makes no sense
   */
  int threadCount() {
    if (threads < 0 || threads > 4096) {
      throw new CliException("--threads must be 1 to 4096, or 0 for one a core, not " + threads);
    }
    return threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
  }
}
