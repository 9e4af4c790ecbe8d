package dev.octet.cli;

import picocli.CommandLine.Option;

/** {@code --provider} and {@code --threads}: what computes. */
final class ComputeOptions {
  @Option(
      names = "--provider",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "kernels: reference, vector or auto, the fastest there is (default: auto)")
  String provider;

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
      throw new CliException("--threads must lie between 1 and 4096, not " + threads);
    }
    return threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
  }
}
