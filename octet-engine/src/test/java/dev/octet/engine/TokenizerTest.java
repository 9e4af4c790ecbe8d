package dev.octet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class TokenizerTest {
  @TempDir Path folder;

  @Test
  void encodesAndDecodesEveryPublishedCase() {
    Path stories = Shared.path("models/stories260K");
    JsonNode cases =
        JsonMapper.shared().readTree(stories.resolve("tokenizer_cases.json").toFile()).get("cases");
    assertThat(cases.size()).isEqualTo(18);
    try (Tokenizer tokenizer = Tokenizer.load(stories)) {
      for (JsonNode c : cases) {
        String text = c.get("text").asString();
        int[] ids = ints(c.get("ids"));
        int[] withSpecial = ints(c.get("ids_with_special"));
        assertThat(tokenizer.encode(text, false)).as(text).isEqualTo(ids);
        assertThat(tokenizer.encode(text, true)).as(text).isEqualTo(withSpecial);
        assertThat(tokenizer.decode(ids, false)).isEqualTo(c.get("decoded").asString());
        assertThat(tokenizer.decode(withSpecial, true))
            .isEqualTo(c.get("decoded_skip_special").asString());
      }
    }
  }

  private static int[] ints(JsonNode array) {
    return IntStream.range(0, array.size()).map(i -> array.get(i).asInt()).toArray();
  }

  @Test
  void knowsItsPiecesAndSpecialTokens() {
    Tokenizer tokenizer = Tokenizer.load(Shared.path("models/stories260K"));
    assertThat(tokenizer.vocabSize()).isEqualTo(512);
    assertThat(tokenizer.piece(403)).isEqualTo("▁Once");
    assertThat(tokenizer.isSpecial(1)).isTrue();
    assertThat(tokenizer.isSpecial(403)).isFalse();
    assertThat(tokenizer.decode(new int[] {-1, 403, 512, 1_000_000}, true)).isEqualTo("Once");
  }

  @Test
  void keepsTheNativeLibraryOffTheNetwork() {
    Path stories = Shared.path("models/stories260K");
    try (Tokenizer tokenizer = Tokenizer.load(stories)) {
      System.clearProperty("ai.djl.offline");
      assertThat(tokenizer.encode("a", false)).containsExactly(261);
      assertThat(System.getProperty("ai.djl.offline")).isEqualTo("true");
      assertThat(System.getProperty("OPT_OUT_TRACKING")).isEqualTo("true");
    }
  }

  @Test
  void anAbsentFileIsNamed() {
    assertThatThrownBy(() -> Tokenizer.load(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(folder.resolve("tokenizer.json").toString())
        .hasMessageContaining("no such file");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"model\":                              | no valid JSON",
        "''                                       | model.vocab is missing",
        "[1]                                      | model.vocab is missing",
        "{\"model\":{\"vocab\":{\"a\":\"x\"}}}    | the id of 'a'",
        "{\"model\":{\"vocab\":{\"a\":-1}}}       | the id of 'a' is -1",
        "{\"model\":{\"vocab\":{\"a\":99999999}}} | the id of 'a' is 99999999",
        "{\"model\":{\"vocab\":{}},\"decoder\":{\"type\":\"WordPiece\"}} | unknown decoder",
        "{\"model\":{\"vocab\":{}}}               | unknown decoder"
      })
  void aDamagedFileIsRefusedWithItsName(String json, String message) throws IOException {
    Path file = Files.writeString(folder.resolve("tokenizer.json"), json);
    assertThatThrownBy(() -> Tokenizer.load(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageStartingWith(file.toString())
        .hasMessageContaining(message);
  }

  @Test
  void whatOnlyTheNativeLibraryCannotReadIsRefusedWithTheFileName() throws IOException {
    String json =
        "{\"model\":{\"type\":\"Nonsense\",\"vocab\":{\"a\":0}},\"decoder\":{\"type\":\"ByteLevel\"}}";
    Files.writeString(folder.resolve("tokenizer.json"), json);
    try (Tokenizer tokenizer = Tokenizer.load(folder)) {
      assertThatThrownBy(() -> tokenizer.encode("a", false))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("tokenizer.json");
    }
  }

  @Test
  void aFileThatMayNotBeReadIsRefusedWithTheReason() throws IOException {
    Path file = Files.writeString(folder.resolve("tokenizer.json"), "{}");
    assumeTrue(file.toFile().setReadable(false) && !Files.isReadable(file)); // root reads all
    assertThatThrownBy(() -> Tokenizer.load(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(file + ": cannot be read: permission denied");
  }

  @Test
  void aClosedTokenizerEncodesNoMore() {
    Tokenizer tokenizer = TinyTokenizers.byteLevel();
    tokenizer.close();
    tokenizer.close();
    assertThatThrownBy(() -> tokenizer.encode("a", false))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("closed");
  }
}
