package dev.octet.engine;

import dev.octet.checkpoint.CheckpointException;
import java.nio.file.Path;
import tools.jackson.databind.JsonNode;

/**
 * Understands the {@code decoder} of tokenizer.json. Those of byte-level BPE and of converted
 * SentencePiece models are known; any other step is refused by name, because a guess would garble
 * text.
 */
final class DecoderReader {
  private final Path file;
  private boolean byteLevel;
  private boolean byteFallback;
  private boolean dropFirstSpaces;
  private int stripStart;
  private String space = "";

  DecoderReader(Path file) {
    this.file = file;
  }

  Pieces read(JsonNode decoder) {
    step(decoder);
    return new Pieces(byteLevel, space, byteFallback, stripStart, dropFirstSpaces);
  }

  private void step(JsonNode step) {
    switch (step.path("type").asString("missing")) {
      case "Sequence" -> step.path("decoders").forEach(this::step);
      case "ByteLevel" -> byteLevel = true;
      case "ByteFallback" -> byteFallback = true;
      case "Fuse" -> {} // pieces are always joined
      case "Replace" -> replace(step);
      case "Metaspace" -> metaspace(step);
      case "Strip" -> strip(step);
      default -> throw unknown(step);
    }
  }

  private void replace(JsonNode step) {
    String pattern = step.path("pattern").path("String").asString("");
    if (pattern.isEmpty() || !step.path("content").asString("").equals(" ")) {
      throw unknown(step);
    }
    space = pattern;
  }

  private void metaspace(JsonNode step) {
    space = step.path("replacement").asString("▁");
    boolean prefix = step.path("add_prefix_space").asBoolean(true);
    String scheme = step.path("prepend_scheme").asString(prefix ? "always" : "never");
    dropFirstSpaces = !scheme.equals("never");
  }

  private void strip(JsonNode step) {
    if (!step.path("content").asString("").equals(" ") || step.path("stop").asInt(0) != 0) {
      throw unknown(step);
    }
    stripStart = step.path("start").asInt(0);
  }

  private CheckpointException unknown(JsonNode step) {
    return new CheckpointException(
        file
            + ": unknown decoder "
            + step
            + "; byte-level BPE and SentencePiece decoders are supported");
  }
}
