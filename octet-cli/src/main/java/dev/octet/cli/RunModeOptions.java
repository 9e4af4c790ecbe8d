package dev.octet.cli;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import picocli.CommandLine.Option;

/** {@code --attention} and {@code --kv-cache-dtype}: how a model runs, whatever its weights. */
final class RunModeOptions {
  @Option(
      names = "--attention",
      paramLabel = "KIND",
      defaultValue = "bf16",
      description =
          "f32, bf16, int8, int8-bf16, int-flash or int-flash-half (default: ${DEFAULT-VALUE})")
  AttentionKind attention;

  @Option(
      names = "--kv-cache-dtype",
      paramLabel = "TYPE",
      defaultValue = "auto",
      description = "auto (16-bit), int8, fp8_e4m3, fp8_e5m2, bf16, f16 or f32 (default: auto)")
  KvType kvType;
}
