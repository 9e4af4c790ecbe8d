package dev.octet.train.bpe;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.lifecycle.AfterContainer;

/** Hugging Face's own library must read our tokenizer.json as we do. */
class HuggingFaceTokenizerTest {
  private static final String TALE =
      """
      Once upon a time there was a little fox. "Don't go," they said; it's 1234 miles!

      The little fox didn't listen, and there was a time when it went away — naïve fox.
         Once upon a time, a little fox and a little owl went there.\r
      """;

  private static final BpeVocabulary VOCABULARY = learn();
  private static final HuggingFaceTokenizer THEIRS = load();

  private final BpeEncoder ours = new BpeEncoder(VOCABULARY);

  private static BpeVocabulary learn() {
    BpeTrainer trainer = new BpeTrainer();
    trainer.add(TALE);
    return trainer.train(400);
  }

  private static HuggingFaceTokenizer load() {
    try {
      Path file = Files.createTempFile("octet", ".json");
      Files.writeString(file, TokenizerJson.write(VOCABULARY));
      HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.newInstance(file);
      Files.delete(file);
      return tokenizer;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @AfterContainer
  static void close() {
    THEIRS.close();
  }

  @Provide
  static Arbitrary<String> texts() {
    return BpeTest.texts();
  }

  @Property(tries = 300)
  void bothEncodeToTheSameIds(@ForAll("texts") String text) {
    int[] expected =
        Arrays.stream(THEIRS.encode(text, false, false).getIds())
            .mapToInt(Math::toIntExact)
            .toArray();
    assertThat(ours.encode(text)).as("<%s>", text).isEqualTo(expected);
  }

  @Property(tries = 100)
  void theirDecoderGivesBackOurText(@ForAll("texts") String text) {
    long[] ids = Arrays.stream(ours.encode(text)).asLongStream().toArray();
    assertThat(THEIRS.decode(ids, true)).isEqualTo(text);
  }

  @Property(tries = 1)
  void theTemplatePutsTheFirstTokenInFront() {
    assertThat(THEIRS.encode("a fox", true, false).getIds()[0]).isZero();
    assertThat(THEIRS.encode("<|end_of_text|>", false, false).getIds()).containsExactly(1);
  }
}
