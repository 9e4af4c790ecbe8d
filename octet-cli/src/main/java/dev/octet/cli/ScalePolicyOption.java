package dev.octet.cli;

import dev.octet.model.KvScalePolicy;
import picocli.CommandLine.Option;

/** {@code --kv-scale-policy}: what to do about cache scales that look wrong. */
final class ScalePolicyOption {
  @Option(
      names = "--kv-scale-policy",
      paramLabel = "POLICY",
      defaultValue = "warn",
      description =
          "cache and attention scales that are missing, or all 1.0: warn, or strict to refuse "
              + "them (default: warn)")
  String policy;

  /**
   * What was chosen.
   *
   * @throws IllegalArgumentException for an unknown name, listing the known ones
   */
  KvScalePolicy policy() {
    return KvScalePolicy.of(policy);
  }
}
