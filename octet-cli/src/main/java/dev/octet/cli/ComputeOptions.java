package dev.octet.cli;

import dev.octet.cli.output.Terminal;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Products;
import dev.octet.kernels.Providers;
import picocli.CommandLine.Option;

/** {@code --provider}, {@code --threads} and {@code --compute}: what computes. */
final class ComputeOptions {
  @Option(
      names = "--provider",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "kernels: reference, vector, cpu or auto, the fastest there is (default: auto)")
  String provider;

  @Option(
      names = "--threads",
      paramLabel = "N",
      defaultValue = "0",
      description = "threads that compute (default: one a core)")
  int threads;

  @Option(
      names = "--compute",
      paramLabel = "TYPE",
      defaultValue = "auto",
      description =
          "unquantized inputs of linear layers where there are several tokens: f32, as they are;"
              + " int16, 16-bit fixed point where the weights are integers (with AVX-512); bf16"
              + " (with AVX-512); auto, int16 where there is AVX-512 and f32 elsewhere (default:"
              + " auto)")
  String products;

  /** The kernels, not named; the caller closes them. */
  Kernels create() {
    return Providers.create(provider, threadCount(), Providers.products(provider, products));
  }

  /**
   * The kernels, named on the terminal so that a slow fallback is never silent; the caller closes
   * them.
   *
   * @throws IllegalArgumentException for an unknown provider, listing the known ones
   */
  Kernels open(Terminal terminal) {
    Kernels kernels = create();
    terminal.note(describe(kernels));
    return kernels;
  }

  /** Provider, instruction set and threads in one line. */
  static String describe(Kernels kernels) {
    return "%s kernels, %s%s, %d %s, JDK %s"
        .formatted(
            kernels.name(),
            kernels.isa(),
            kernels.products() == Products.F32 ? "" : ", products in " + kernels.products().name(),
            kernels.threads(),
            kernels.threads() == 1 ? "thread" : "threads",
            Runtime.version().feature());
  }

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
