package dev.octet.checkpoint;

import dev.octet.checkpoint.gguf.GgufCheckpoint;
import dev.octet.checkpoint.gguf.GgufHeader;

/** GGUF: one file that holds everything, or parts of it, named itself or alone in its folder. */
final class GgufReader implements FormatReader {
  @Override
  public String name() {
    return "GGUF (F32, F16, BF16, Q8_0, Q4_0 to Q5_1, Q2_K to Q6_K)";
  }

  @Override
  public boolean recognizes(ModelFolder folder) {
    return folder.isFile()
        ? GgufHeader.named(folder.path())
        : folder.find("*.gguf").isPresent() && folder.find("model*.safetensors").isEmpty();
  }

  @Override
  public Checkpoint open(ModelFolder folder) {
    return GgufCheckpoint.open(folder.path());
  }
}
