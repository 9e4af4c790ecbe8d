package dev.octet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.UnsupportedCheckpointException;
import dev.octet.checkpoint.gguf.GgufEntries;
import dev.octet.checkpoint.gguf.GgufFile;
import dev.octet.checkpoint.gguf.GgufMetadata;
import dev.octet.checkpoint.gguf.GgufPre;
import dev.octet.checkpoint.gguf.GgufValue;
import dev.octet.checkpoint.gguf.GgufVocabulary;
import dev.octet.checkpoint.gguf.GgufWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class GgufTokenizerTest {
  private static final String EXACT = "tokenizer.huggingface.json";
  private static final List<String> TEXTS =
      List.of(
          "",
          "Once upon a time, there was a girl.",
          "  two  spaces, 12345 and 7's don't \n\n\tnew line  ",
          "Grüße, 你好 – 🦊!",
          "<s>not a token</s> ▁");

  @TempDir Path dir;

  /** A GGUF file with a directory's tokenizer: whole, or only in the keys of llama.cpp. */
  private Path gguf(Path model, boolean exact) {
    Path file = dir.resolve(exact ? "exact.gguf" : "keys.gguf");
    GgufEntries metadata = new GgufEntries();
    try (Checkpoint source = Checkpoints.open(model)) {
      GgufVocabulary.add(model, source.config(), metadata);
    }
    write(file, metadata);
    if (!exact) {
      try (GgufFile whole = GgufFile.open(file)) {
        write(dir.resolve("other.gguf"), without(whole.metadata(), EXACT));
      }
      file = dir.resolve("other.gguf");
    }
    return file;
  }

  private static void write(Path file, GgufEntries metadata) {
    try (GgufWriter writer = GgufWriter.create(file, metadata, List.of(), true)) {
      writer.finish();
    }
  }

  private static GgufEntries without(GgufMetadata metadata, String... keys) {
    GgufEntries out = new GgufEntries();
    metadata
        .values()
        .forEach(
            (key, value) -> {
              if (List.of(keys).contains(key)) {
                return;
              }
              switch (value) {
                case GgufValue.Text(String text) -> out.text(key, text);
                case GgufValue.Whole(long whole) -> out.whole(key, (int) whole);
                case GgufValue.Real(double real) -> out.real(key, real);
                case GgufValue.Flag(boolean flag) -> out.flag(key, flag);
                case GgufValue.Many(int type, long _, long _) when type == 8 ->
                    out.texts(key, metadata.texts(key));
                case GgufValue.Many _ -> out.reals(key, metadata.numbers(key));
              }
            });
    return out;
  }

  /** Ids of every published case, from scores alone. */
  @Test
  void aSentencePieceVocabularyEncodesByItsScores() {
    Path stories = Shared.path("models/stories260K");
    JsonNode cases =
        JsonMapper.shared().readTree(stories.resolve("tokenizer_cases.json").toFile()).get("cases");
    Path file = gguf(stories, false);
    try (GgufFile open = GgufFile.open(file);
        Tokenizer tokenizer = Tokenizer.load(file)) {
      assertThat(open.metadata().has(EXACT)).isFalse();
      assertThat(open.metadata().text("tokenizer.ggml.model")).contains("llama");
      for (JsonNode c : cases) {
        String text = c.get("text").asString();
        int[] withSpecial = ints(c.get("ids_with_special"));
        assertThat(tokenizer.encode(text, false)).as(text).isEqualTo(ints(c.get("ids")));
        assertThat(tokenizer.encode(text, true)).as(text).isEqualTo(withSpecial);
        assertThat(tokenizer.decode(withSpecial, true))
            .isEqualTo(c.get("decoded_skip_special").asString());
      }
    }
  }

  private static int[] ints(JsonNode array) {
    return IntStream.range(0, array.size()).map(i -> array.get(i).asInt()).toArray();
  }

  private static void agree(Tokenizer got, Tokenizer want) {
    for (String text : TEXTS) {
      int[] ids = want.encode(text, true);
      assertThat(got.encode(text, true)).as(text).isEqualTo(ids);
      assertThat(got.encode(text, false)).as(text).isEqualTo(want.encode(text, false));
      assertThat(got.decode(ids, true)).as(text).isEqualTo(want.decode(ids, true));
    }
  }

  @Test
  void aFileThatHoldsTheTokenizerWholeHasTheSame() {
    Path stories = Shared.path("models/stories260K");
    Path file = gguf(stories, true);
    assertThat(Tokenizer.isIn(file)).isTrue();
    assertThat(Tokenizer.isIn(dir)).isTrue();
    try (Tokenizer want = Tokenizer.load(stories);
        Tokenizer got = Tokenizer.load(file)) {
      agree(got, want);
    }
  }

  /** A byte-level vocabulary with the expression of every name that is known. */
  @Test
  void byteLevelVocabulariesCutTextByTheirName() throws IOException {
    Path bundled = bundled();
    for (GgufPre pre : List.of(GgufPre.LLAMA3, GgufPre.QWEN2, GgufPre.TEKKEN)) {
      Path model = Files.createDirectories(dir.resolve(pre.name()));
      for (String name : List.of("config.json", "model.safetensors", "tokenizer.json")) {
        Files.copy(bundled.resolve(name), model.resolve(name));
      }
      Path json = model.resolve("tokenizer.json");
      ObjectNode root = (ObjectNode) JsonMapper.shared().readTree(json.toFile());
      ObjectNode split = (ObjectNode) root.get("pre_tokenizer").get("pretokenizers").get(0);
      ((ObjectNode) split.get("pattern")).put("Regex", pre.regex());
      ((ObjectNode) root.get("model")).put("ignore_merges", pre.ignoresMerges());
      Files.writeString(json, root.toString());
      try (Tokenizer want = Tokenizer.load(model);
          Tokenizer got = Tokenizer.load(gguf(model, false))) {
        agree(got, want);
      }
    }
  }

  private static Path bundled() {
    Path at = Path.of("").toAbsolutePath();
    while (at.getParent() != null && !Files.exists(at.resolve("mvnw"))) {
      at = at.getParent();
    }
    return at.resolve("models/octet-tales-5m");
  }

  private Path file(GgufEntries metadata) {
    Path file = dir.resolve("m.gguf");
    write(file, metadata);
    return file;
  }

  private static GgufEntries tokens(String model) {
    return new GgufEntries()
        .text("tokenizer.ggml.model", model)
        .texts("tokenizer.ggml.tokens", List.of("<unk>", "a", "b", "ab"));
  }

  private void refused(GgufEntries metadata, String problem) {
    Path file = file(metadata);
    assertThatThrownBy(() -> Tokenizer.load(file))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("m.gguf")
        .hasMessageContaining(problem);
  }

  @Test
  void whatCannotBeUnderstoodIsRefusedByItsKey() {
    refused(new GgufEntries(), "'tokenizer.ggml.tokens' is missing");
    refused(tokens("bert"), "'tokenizer.ggml.model' is 'bert'");
    refused(tokens("gpt2").text("tokenizer.ggml.pre", "klingon"), "is 'klingon'");
    refused(tokens("llama"), "'tokenizer.ggml.scores' has 0 entries for 4");
    refused(tokens("gpt2").texts("tokenizer.ggml.merges", List.of("ab")), "'ab', which is no pair");
    refused(tokens("gpt2").texts("tokenizer.ggml.merges", List.of("a c")), "not all are tokens");
    refused(
        tokens("gpt2").wholes("tokenizer.ggml.token_type", new int[] {1}), "has 1 entries for 4");
    refused(
        tokens("gpt2")
            .flag("tokenizer.ggml.add_bos_token", true)
            .whole("tokenizer.ggml.bos_token_id", 9),
        "'tokenizer.ggml.bos_token_id' is 9 of 4 tokens");
    assertThatThrownBy(() -> Tokenizer.load(file(tokens("wordpiece"))))
        .isInstanceOf(UnsupportedCheckpointException.class);
  }

  @Test
  void addedTokensAreFoundInText() {
    GgufEntries metadata =
        new GgufEntries()
            .text("tokenizer.ggml.model", "gpt2")
            .text("tokenizer.ggml.pre", "qwen2")
            .texts("tokenizer.ggml.tokens", List.of("a", "b", "ab", "<|im_end|>", "<think>"))
            .wholes("tokenizer.ggml.token_type", new int[] {1, 1, 1, 3, 4})
            .texts("tokenizer.ggml.merges", List.of("a b"))
            .whole("tokenizer.ggml.eos_token_id", 3)
            .flag("tokenizer.ggml.add_eos_token", true);
    try (Tokenizer tokenizer = Tokenizer.load(file(metadata))) {
      assertThat(tokenizer.encode("ab<think>ba<|im_end|>", false)).containsExactly(2, 4, 1, 0, 3);
      assertThat(tokenizer.encode("ab", true)).containsExactly(2, 3);
      assertThat(tokenizer.isSpecial(3)).isTrue();
      assertThat(tokenizer.isSpecial(4)).isFalse();
      assertThat(tokenizer.decode(new int[] {2, 4, 3}, true)).isEqualTo("ab<think>");
    }
  }

  /** Random vocabularies never cause anything but a checkpoint error. */
  @Test
  void damagedVocabulariesAreRefusedOrMadeSenseOf() throws IOException {
    Path file = file(tokens("llama").reals("tokenizer.ggml.scores", new float[] {0, -1, -2, -3}));
    byte[] good = Files.readAllBytes(file);
    Random random = new Random(6);
    long end = System.nanoTime() + Long.getLong("octet.fuzz.seconds", 1) * 500_000_000L;
    while (System.nanoTime() < end) {
      byte[] bytes = good.clone();
      for (int k = random.nextInt(3); k >= 0; k--) {
        bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
      }
      Files.write(file, bytes);
      try {
        Tokenizer.load(file).close();
      } catch (CheckpointException e) {
        assertThat(e).hasMessageContaining("m.gguf");
      }
    }
  }
}
