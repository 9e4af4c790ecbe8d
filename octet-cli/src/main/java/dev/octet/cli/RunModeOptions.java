package dev.octet.cli;

import dev.octet.model.RunOptions;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code --attention} and {@code --kv-cache-dtype}: how a model runs, whatever its weights. */
final class RunModeOptions {
  @Option(
      names = "--attention",
      paramLabel = "KIND",
      defaultValue = "auto",
      description =
          "f32, bf16, int8, int8-fast, int8-bf16, int-flash, int-flash-half, or auto: what fits the "
              + "cache, bf16 as a rule (default: auto)")
  String attention;

  @Option(
      names = "--kv-cache-dtype",
      paramLabel = "TYPE",
      defaultValue = "auto",
      description =
          "bf16, f16, f32, int8, int4, fp8_e4m3, fp8_e5m2, or auto: what the checkpoint has scales for, "
              + "else bf16 (default: auto)")
  String kvType;

  @Mixin ScalePolicyOption scales = new ScalePolicyOption();

  /**
   * What was chosen.
   *
   * @throws IllegalArgumentException for an unknown name, listing the known ones
   */
  RunOptions options() {
    return RunOptions.of(attention, kvType).with(scales.policy());
  }
}
