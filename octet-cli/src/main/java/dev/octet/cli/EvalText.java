package dev.octet.cli;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.engine.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/**
 * What perplexity is measured on.
 *
 * @param name what it was read from
 * @param ids its tokens, without a beginning-of-text token
 * @param bos the token to begin every window with, or −1
 */
record EvalText(String name, int[] ids, int bos) {
  private static final int MOST_BYTES = 1 << 30;

  /** The bits of st_mode that say what a file is, and those of devices (inode(7)). */
  private static final int FILE_TYPE = 0xF000;

  private static final int CHARACTER_DEVICE = 0x2000;
  private static final int BLOCK_DEVICE = 0x6000;

  EvalText {
    if (ids.length + (bos >= 0 ? 1 : 0) < 2) {
      throw new CliException(name + ": no token follows another, so there is nothing to predict");
    }
  }

  /** Either of them. */
  static final class Source {
    @Option(names = "--text", paramLabel = "FILE", description = "a UTF-8 text file")
    @Nullable Path text;

    @Option(
        names = "--ids",
        paramLabel = "IDS",
        description = "token ids: 1,2,3 or a safetensors file with a tensor input_ids")
    @Nullable String ids;
  }

  /**
   * Reads the text, with the tokenizer of the model in {@code directory} where it is needed.
   *
   * @throws CliException if it cannot be read
   */
  static EvalText read(Source source, Path directory, ModelConfig config) {
    if (source.ids != null) {
      return ofIds(source.ids, TokenIds.parse(source.ids), config.bosTokenId());
    }
    if (source.text == null) {
      throw new CliException("name a text with --text or --ids");
    }
    String text = readUtf8(source.text);
    if (text.isEmpty()) {
      throw new CliException(source.text + ": holds no text");
    }
    try (Tokenizer tokenizer = Tokenizer.load(directory)) {
      return ofText(String.valueOf(source.text.getFileName()), text, tokenizer);
    }
  }

  /** The tokens of a text; windows begin with what the tokenizer itself would put first. */
  static EvalText ofText(String name, String text, Tokenizer tokenizer) {
    int[] first = tokenizer.encode("", true);
    return new EvalText(name, tokenizer.encode(text, false), first.length == 0 ? -1 : first[0]);
  }

  /** A beginning-of-text token at the start stands for one at the start of every window. */
  private static EvalText ofIds(String name, int[] ids, int bos) {
    boolean begins = bos >= 0 && ids[0] == bos;
    return new EvalText(
        name, begins ? Arrays.copyOfRange(ids, 1, ids.length) : ids, begins ? bos : -1);
  }

  /** What may go on for ever, or is no text anyone means; never where the system has no modes. */
  private static boolean isDevice(Path file) throws IOException {
    if (!file.getFileSystem().supportedFileAttributeViews().contains("unix")) {
      return false;
    }
    int mode = (Integer) Files.getAttribute(file, "unix:mode") & FILE_TYPE;
    return mode == CHARACTER_DEVICE || mode == BLOCK_DEVICE;
  }

  static String readUtf8(Path file) {
    if (Files.isDirectory(file)) {
      throw new CliException(file + ": is a directory; name a text file");
    }
    try {
      if (isDevice(file)) {
        throw new CliException(file + ": is a device; name a text file or a pipe");
      }
      byte[] bytes = new byte[0];
      if (Files.size(file) <= MOST_BYTES) {
        try (InputStream in = Files.newInputStream(file)) {
          bytes = in.readNBytes(MOST_BYTES + 1); // a pipe has no size
        }
      }
      if (Files.size(file) > MOST_BYTES || bytes.length > MOST_BYTES) {
        throw new CliException(file + ": larger than 1 GiB; cut a part out of it");
      }
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new CliException(file + ": not UTF-8 text", e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
