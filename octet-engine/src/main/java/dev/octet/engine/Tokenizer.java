package dev.octet.engine;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.gguf.GgufFile;
import dev.octet.checkpoint.gguf.GgufHeader;
import dev.octet.checkpoint.gguf.GgufParts;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Text to tokens and back, from a model directory's {@code tokenizer.json} or from what a GGUF file
 * says of its tokenizer.
 *
 * <p>Encoding is Hugging Face's own library; it is loaded when the first text is encoded, and
 * unpacks itself once into {@code ~/.djl.ai} ({@code DJL_CACHE_DIR} says where else). Decoding is
 * plain Java and works wherever Java does. Nothing is ever fetched. Thread-safe until closed.
 */
public final class Tokenizer implements AutoCloseable {
  private static final String FILE = "tokenizer.json";

  private final Path file;
  private final byte[] json;
  private final TokenizerFile content;
  private @Nullable NativeEncoder encoder;
  private boolean closed;

  private Tokenizer(Path file, byte[] json) {
    this.file = file;
    this.json = json;
    this.content = TokenizerFile.read(file, json);
  }

  /**
   * Reads and checks a tokenizer.
   *
   * @param path a model directory, its tokenizer.json, or a GGUF file
   * @throws CheckpointException if it is absent, damaged, or of a kind that is not supported
   */
  public static Tokenizer load(Path path) {
    if (isGguf(path)) {
      try (GgufFile gguf = GgufFile.open(GgufParts.of(path))) {
        return new Tokenizer(gguf.file(), GgufTokenizer.json(gguf.metadata()));
      }
    }
    Path file = Files.isDirectory(path) ? path.resolve(FILE) : path;
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(
          file + ": no such file; text needs a tokenizer.json, token ids can be used without");
    }
    return new Tokenizer(file, TokenizerFile.bytes(file));
  }

  /** Whether a model directory or GGUF file has a tokenizer; it may be of any kind. */
  public static boolean isIn(Path path) {
    if (!isGguf(path)) {
      return Files.exists(path.resolve(FILE));
    }
    try (GgufFile gguf = GgufFile.open(GgufParts.of(path))) {
      return GgufTokenizer.in(gguf.metadata());
    }
  }

  /** A tokenizer.json beside a GGUF file is the model's own and counts. */
  private static boolean isGguf(Path path) {
    return Files.isDirectory(path)
        ? !Files.exists(path.resolve(FILE)) && GgufParts.in(path)
        : GgufHeader.named(path);
  }

  /**
   * The tokens of a text.
   *
   * @param addSpecialTokens whether to add what the tokenizer's post-processor adds: usually the
   *     beginning-of-text token
   * @throws CheckpointException if Hugging Face's library cannot read the file
   * @throws IllegalStateException if the library does not run on this platform
   */
  public int[] encode(String text, boolean addSpecialTokens) {
    return encoder().encode(text, addSpecialTokens);
  }

  /** The text of tokens; bytes that are no valid UTF-8 become U+FFFD, unknown ids nothing. */
  public String decode(int[] ids, boolean skipSpecial) {
    StreamingDetokenizer detokenizer = new StreamingDetokenizer(this, skipSpecial, false);
    StringBuilder text = new StringBuilder();
    for (int id : ids) {
      text.append(detokenizer.push(id));
    }
    return text.append(detokenizer.finish()).toString();
  }

  /**
   * For tokens as they come.
   *
   * @param prompt what precedes them; after a text, a leading space is kept
   */
  public StreamingDetokenizer streaming(int[] prompt, boolean skipSpecial) {
    boolean continues = Arrays.stream(prompt).anyMatch(id -> !isSpecial(id));
    return new StreamingDetokenizer(this, skipSpecial, continues);
  }

  /** One more than the largest id. */
  public int vocabSize() {
    for (int n = content.pieces().length; n > 0; n--) {
      if (content.pieces()[n - 1] != null) {
        return n;
      }
    }
    return 0;
  }

  /** Whether the token steers (begin, end, padding …) instead of being text. */
  public boolean isSpecial(int id) {
    return id >= 0 && content.special().get(id);
  }

  /** The piece as the file spells it, or "" for an id that is not used. */
  public String piece(int id) {
    String piece = id >= 0 && id < content.pieces().length ? content.pieces()[id] : null;
    return piece == null ? "" : piece;
  }

  Pieces spelling() {
    return content.spelling();
  }

  byte[] bytes(int id, boolean first) {
    String piece = piece(id);
    return first ? content.spelling().firstBytes(piece) : content.spelling().bytes(piece);
  }

  private synchronized NativeEncoder encoder() {
    if (closed) {
      throw new IllegalStateException("the tokenizer has been closed");
    }
    if (encoder == null) {
      encoder = NativeEncoder.open(file, json);
    }
    return encoder;
  }

  /** Frees the native encoder; closing twice is harmless. */
  @Override
  public synchronized void close() {
    closed = true;
    if (encoder != null) {
      encoder.close();
      encoder = null;
    }
  }
}
