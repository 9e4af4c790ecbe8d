package dev.octet.cli.doctor;

import dev.octet.engine.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** Loads the tokenizer's native library by tokenizing a word with a vocabulary of three. */
final class TokenizerCheck {
  private static final String VOCABULARY =
      """
      {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
       "normalizer": null, "post_processor": null,
       "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                         "use_regex": true},
       "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                   "use_regex": true},
       "model": {"type": "BPE", "dropout": null, "unk_token": null,
                 "continuing_subword_prefix": null, "end_of_word_suffix": null,
                 "fuse_unk": false, "byte_fallback": false,
                 "vocab": {"o": 0, "k": 1, "ok": 2}, "merges": ["o k"]}}
      """;

  private TokenizerCheck() {}

  static Finding run() {
    try {
      Path directory = Files.createTempDirectory("octet-doctor");
      Path file = directory.resolve("tokenizer.json");
      try {
        Files.write(file, VOCABULARY.getBytes(StandardCharsets.UTF_8));
        return tokenize(directory);
      } finally {
        Files.deleteIfExists(file);
        Files.delete(directory);
      }
    } catch (IOException | RuntimeException | LinkageError e) {
      return Finding.missing(
          "tokenizer",
          "its native library does not work: " + e.getMessage(),
          "token ids still work (--ids); there are libraries for x86-64 and ARM64 Linux, macOS and"
              + " x86-64 Windows");
    }
  }

  private static Finding tokenize(Path directory) {
    try (Tokenizer tokenizer = Tokenizer.load(directory)) {
      int[] ids = tokenizer.encode("ok", false);
      return Arrays.equals(ids, new int[] {2})
          ? Finding.ok("tokenizer", "native library loaded")
          : Finding.missing(
              "tokenizer",
              "gives " + Arrays.toString(ids) + " for [2]",
              "the native library is damaged; delete ~/.djl.ai/tokenizers");
    }
  }
}
