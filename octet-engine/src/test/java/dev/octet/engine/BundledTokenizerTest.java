package dev.octet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** The bundled model's byte-level tokenizer: every text survives, whatever it is made of. */
class BundledTokenizerTest {
  private static final Tokenizer TOKENIZER = Tokenizer.load(models().resolve("octet-tales-5m"));

  private static Path models() {
    Path at = Path.of("").toAbsolutePath();
    while (at.getParent() != null && !Files.exists(at.resolve("mvnw"))) {
      at = at.getParent();
    }
    return at.resolve("models");
  }

  @AfterAll
  static void close() {
    TOKENIZER.close();
  }

  @Test
  void everyTextComesBackWholeAndStreamed() {
    List<String> texts =
        List.of(
            "",
            "Once upon a time, there was a fox.",
            "  two  spaces, a tab\t and a newline\n",
            "Zoë saw a café ☕ 漢字 😀",
            "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301",
            "a\u0000b \uFFFD");
    for (String text : texts) {
      int[] ids = TOKENIZER.encode(text, false);
      assertThat(TOKENIZER.decode(ids, false)).isEqualTo(text);
      StreamingDetokenizer detokenizer = TOKENIZER.streaming(new int[0], true);
      StringBuilder streamed = new StringBuilder();
      Arrays.stream(ids).forEach(id -> streamed.append(detokenizer.push(id)));
      assertThat(streamed.append(detokenizer.finish()).toString()).isEqualTo(text);
    }
  }

  @Test
  void aTextBeginsWithASpecialTokenThatIsNoText() {
    int[] plain = TOKENIZER.encode("A fox", false);
    int[] whole = TOKENIZER.encode("A fox", true);
    assertThat(whole).hasSize(plain.length + 1).endsWith(plain);
    assertThat(TOKENIZER.isSpecial(whole[0])).isTrue();
    assertThat(TOKENIZER.decode(whole, true)).isEqualTo("A fox");
  }
}
