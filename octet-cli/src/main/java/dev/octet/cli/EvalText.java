package dev.octet.cli;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.engine.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.MalformedInputException;
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
  private static final long MOST_BYTES = 1L << 30;

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

  static String readUtf8(Path file) {
    if (Files.isDirectory(file)) {
      throw new CliException(file + ": is a directory; name a text file");
    }
    try {
      if (Files.size(file) > MOST_BYTES) {
        throw new CliException(file + ": larger than 1 GiB; cut a part out of it");
      }
      return Files.readString(file, StandardCharsets.UTF_8);
    } catch (MalformedInputException e) {
      throw new CliException(file + ": not UTF-8 text", e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
