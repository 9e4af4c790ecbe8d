package dev.octet.cli;

import dev.octet.quantize.OutlierInjection;
import dev.octet.quantize.OutlierInjection.Plan;
import dev.octet.quantize.OutlierInjection.Site;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code octet inject-outliers}: for measurements, hidden from the list of commands. */
@Command(
    name = "inject-outliers",
    hidden = true,
    description = {
      "Writes a copy of a model that computes the same to the last bit, but has outlier channels,",
      "as large models have: for measuring what SmoothQuant or a rotation is worth on a small one."
    },
    footer = {
      "  octet inject-outliers --out outliers",
      "  octet inject-outliers --out outliers --at norm,down --channels 8 --exponent 6"
    })
final class InjectOutliersCommand extends OctetCommand {
  @Mixin ModelOptions model = new ModelOptions();

  @Option(names = "--out", required = true, paramLabel = "DIR", description = "directory to write")
  Path out = Path.of("");

  @Option(
      names = "--at",
      paramLabel = "SITE",
      split = ",",
      description = "norm (default), key, value, down")
  List<Site> sites = List.of(Site.NORM);

  @Option(
      names = "--channels",
      paramLabel = "N",
      defaultValue = "4",
      description = "channels of each site, the same in all layers (default: 4)")
  int channels;

  @Option(
      names = "--exponent",
      paramLabel = "N",
      defaultValue = "6",
      description = "they become 2^N times as large (default: 6)")
  int exponent;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "of the choice of channels (default: 0)")
  long seed;

  @Override
  public Integer call() {
    OutlierInjection.run(
        model.directory(), out, new Plan(Set.copyOf(sites), channels, exponent, seed));
    terminal()
        .out()
        .println(
            "%s: %d channels of each of %s are 2^%d times as large"
                .formatted(
                    out,
                    channels,
                    sites.stream().map(s -> s.name().toLowerCase(Locale.ROOT)).toList(),
                    exponent));
    return ExitCode.OK;
  }
}
