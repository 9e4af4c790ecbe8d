package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.Texts;
import java.nio.file.Path;

/** Ascend msModelSlim and MindIE, known by their description file. */
final class AscendReader implements FormatReader {
  private static final String DESCRIPTION = "quant_model_description*.json";

  @Override
  public String name() {
    return "";
  }

  @Override
  public boolean recognizes(ModelFolder folder) {
    return folder.find(DESCRIPTION).isPresent();
  }

  @Override
  public Checkpoint open(ModelFolder folder) {
    Path description = folder.find(DESCRIPTION).orElseThrow();
    requireVersion(description);
    throw UnreadFormats.unsupported(description, "Ascend msModelSlim");
  }

  /** First-generation files have no version; later ones have three numbers. */
  private static void requireVersion(Path description) {
    Fields fields = Fields.of(description.toString(), Json.readObject(description));
    String version = fields.text("version").orElse("0.0.0");
    if (!version.matches("\\d+\\.\\d+\\.\\d+")) {
      throw fields.problem("version", "is " + Texts.quote(version) + ", not like '1.0.0'");
    }
  }
}
