package dev.octet.checkpoint;

import dev.octet.checkpoint.gguf.GgufHeader;
import dev.octet.checkpoint.internal.Texts;
import java.nio.file.Path;

/** GGUF: one file that holds everything, named itself or alone in its folder. */
final class GgufReader implements FormatReader {
  @Override
  public String name() {
    return "";
  }

  @Override
  public boolean recognizes(ModelFolder folder) {
    return folder.isFile()
        || (folder.find("*.gguf").isPresent() && folder.find("model*.safetensors").isEmpty());
  }

  @Override
  public Checkpoint open(ModelFolder folder) {
    Path file = folder.isFile() ? folder.path() : folder.find("*.gguf").orElseThrow();
    String architecture = GgufHeader.read(file).architecture();
    throw UnreadFormats.unsupported(
        file, "GGUF (architecture %s)".formatted(Texts.quote(architecture)));
  }
}
