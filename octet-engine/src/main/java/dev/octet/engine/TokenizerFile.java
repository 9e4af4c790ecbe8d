package dev.octet.engine;

import dev.octet.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What decoding needs of a Hugging Face tokenizer.json: the piece of every id, which are special,
 * and how pieces spell text. It is read whole and checked before the native library sees it.
 *
 * @param pieces by id; null where an id is not used
 * @param special ids of special added tokens
 */
record TokenizerFile(@Nullable String[] pieces, BitSet special, Pieces spelling) {
  private static final long MAX_BYTES = 200_000_000;
  private static final int MAX_ID = 10_000_000;

  /** The content of a file that is no larger than any tokenizer. */
  static byte[] bytes(Path file) {
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new CheckpointException(file + ": larger than any tokenizer (200 MB)");
      }
      return Files.readAllBytes(file);
    } catch (AccessDeniedException e) { // its own message is the file's name
      throw new CheckpointException(file + ": cannot be read: permission denied", e);
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * Checks a tokenizer.json.
   *
   * @param file where it comes from, for messages
   */
  static TokenizerFile read(Path file, byte[] json) {
    try {
      return new Reader(file, JsonMapper.shared().readTree(json)).read();
    } catch (JacksonException e) {
      throw new CheckpointException(file + ": no valid JSON: " + e.getOriginalMessage(), e);
    }
  }

  private static final class Reader {
    private final Path file;
    private final JsonNode root;
    private final BitSet special = new BitSet();
    private @Nullable String[] pieces = new String[0];

    Reader(Path file, JsonNode root) {
      this.file = file;
      this.root = root;
    }

    TokenizerFile read() {
      JsonNode vocab = root.path("model").path("vocab");
      if (vocab.isObject()) {
        for (Map.Entry<String, JsonNode> entry : vocab.properties()) {
          put(entry.getValue(), entry.getKey());
        }
      } else if (vocab.isArray()) { // Unigram: [piece, score] by id
        for (int id = 0; id < vocab.size(); id++) {
          put(id, vocab.get(id).path(0).asString(""));
        }
      } else {
        throw damaged("model.vocab is missing");
      }
      for (JsonNode token : root.path("added_tokens")) {
        int id = put(token.path("id"), token.path("content").asString(""));
        special.set(id, token.path("special").asBoolean(false));
      }
      return new TokenizerFile(pieces, special, new DecoderReader(file).read(root.path("decoder")));
    }

    private int put(JsonNode id, String piece) {
      if (!id.isInt()) {
        throw damaged("the id of '" + piece + "' is " + id + ", not an integer");
      }
      put(id.intValue(), piece);
      return id.intValue();
    }

    private void put(int id, String piece) {
      if (id < 0 || id > MAX_ID) {
        throw damaged("the id of '" + piece + "' is " + id);
      }
      if (id >= pieces.length) {
        pieces = Arrays.copyOf(pieces, Math.max(id + 1, pieces.length * 2));
      }
      pieces[id] = piece;
    }

    private CheckpointException damaged(String what) {
      return new CheckpointException(file + ": " + what + "; is this a Hugging Face tokenizer?");
    }
  }
}
