package dev.octet.cli;

import dev.octet.bench.ModelShape;
import dev.octet.bench.QuantizeBench;
import dev.octet.cli.output.ProgressBar;
import dev.octet.tensor.QuantScheme;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code octet bench quantize}. */
@Command(
    name = "quantize",
    description = {
      "Makes a checkpoint of random weights in a published shape, quantizes it, says how fast and "
          + "in how much memory, and removes both.",
      "MB/s: of the model read; in+out: of the model read and the result written. cpu s: processor "
          + "time, the system's included.",
      "own: the most memory of the process itself; rss: with the pages of mapped files."
    },
    footer = {
      "  octet bench quantize --shape llama-3.1-8b --scheme w8a8 --dir /disk",
      "  octet bench quantize --shape llama-3.2-1b --scheme w4a16 --method gptq --layers 1"
    })
final class BenchQuantizeCommand extends OctetCommand {
  /** How weights become codes. */
  enum Method {
    RTN,
    GPTQ
  }

  @Option(
      names = "--shape",
      paramLabel = "NAME",
      defaultValue = "llama-3.2-1b",
      description = "llama-3.2-1b, llama-3.1-8b or llama-2-7b (default: ${DEFAULT-VALUE})")
  String shape;

  @Option(
      names = "--layers",
      paramLabel = "N",
      defaultValue = "0",
      description = "decoder layers of it (default: all)")
  int layers;

  @Option(
      names = "--scheme",
      paramLabel = "SCHEME",
      defaultValue = "w8a8",
      description = "w8a8, w4a16, fp8-dynamic … (default: ${DEFAULT-VALUE})")
  String scheme;

  @Option(
      names = "--method",
      paramLabel = "METHOD",
      defaultValue = "rtn",
      description = "rtn (round to nearest, the default) or gptq")
  Method method;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "128",
      description = "sequences that gptq calibrates on (default: ${DEFAULT-VALUE})")
  int samples;

  @Option(
      names = "--sample-length",
      paramLabel = "N",
      defaultValue = "512",
      description = "tokens of each (default: ${DEFAULT-VALUE})")
  int length;

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description = "where to write: the disk that is measured (default: the temporary folder)")
  Path folder = Path.of(System.getProperty("java.io.tmpdir"));

  @Option(
      names = "--provider",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "kernels: reference, vector, cpu or auto, the fastest (default: auto)")
  String provider;

  @Mixin BenchOptions bench = new BenchOptions();

  @Override
  public Integer call() {
    QuantizeBench.Options options =
        new QuantizeBench.Options(
            ModelShape.of(shape),
            layers,
            OptionValue.of("--scheme", QuantScheme::of, scheme),
            method == Method.GPTQ,
            samples,
            length,
            folder,
            provider,
            bench.threadCount());
    BenchPrinter printer = new BenchPrinter(terminal(), bench.json);
    try (ProgressBar bar = terminal().progress(scheme)) {
      QuantizeBench.run(options, bar::update, printer);
    }
    printer.finish();
    return ExitCode.OK;
  }
}
