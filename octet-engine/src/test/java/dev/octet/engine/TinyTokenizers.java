package dev.octet.engine;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;

/** Tokenizers small enough to be written here: one token a byte, and a special one. */
final class TinyTokenizers {
  /** Id of the special token; bytes are ids 0 to 255. */
  static final int SPECIAL = 256;

  private TinyTokenizers() {}

  /** Byte-level BPE without merges. */
  static Tokenizer byteLevel() {
    Map<String, Integer> vocab = new LinkedHashMap<>();
    int next = 0x100;
    for (int b = 0; b < 256; b++) {
      boolean printable = b > 0x20 && b < 0x7F || b > 0xA0 && b != 0xAD;
      vocab.put(String.valueOf((char) (printable ? b : next++)), b);
    }
    return load(vocab, "{\"type\":\"ByteLevel\"}");
  }

  /** SentencePiece with byte fallback only. */
  static Tokenizer byteFallback() {
    Map<String, Integer> vocab = new LinkedHashMap<>();
    for (int b = 0; b < 256; b++) {
      vocab.put("<0x%02X>".formatted(b), b);
    }
    return load(
        vocab,
        "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]}");
  }

  private static Tokenizer load(Map<String, Integer> vocab, String decoder) {
    String json =
        "{\"added_tokens\":[{\"id\":%d,\"content\":\"<s>\",\"special\":true}],\"decoder\":%s,\"model\":{\"type\":\"BPE\",\"vocab\":%s,\"merges\":[]}}"
            .formatted(SPECIAL, decoder, JsonMapper.shared().writeValueAsString(vocab));
    try {
      Path file = Files.createTempFile("tokenizer", ".json");
      try {
        Files.writeString(file, json);
        return Tokenizer.load(file);
      } finally {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
