package dev.octet.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.train.bpe.BpeEncoder;
import dev.octet.train.bpe.BpeVocabulary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CorpusTest {
  private static final int CONTEXT = 8;

  @TempDir Path directory;

  private Path file(String name, String text) throws IOException {
    return Files.writeString(directory.resolve(name), text);
  }

  private static RandomGenerator seeded() {
    return RandomGeneratorFactory.of("L64X128MixRandom").create(1);
  }

  @Test
  void windowsBeginWithTheFirstTokenAndTargetsAreTheNextOnes() throws IOException {
    List<TextSource> sources = List.of(new TextSource(file("a", "one two three four five"), 1));
    BpeVocabulary vocabulary = Corpus.learnVocabulary(sources, 258);
    Corpus corpus = Corpus.encode(sources, vocabulary, CONTEXT);
    long[] ids = new long[20 * CONTEXT];
    long[] targets = new long[20 * CONTEXT];
    corpus.draw(seeded(), 20, CONTEXT, ids, targets);
    for (int w = 0; w < 20; w++) {
      assertThat(ids[w * CONTEXT]).isEqualTo(vocabulary.idOf(BpeVocabulary.BEGIN));
      for (int i = 1; i < CONTEXT; i++) {
        assertThat(ids[w * CONTEXT + i]).isEqualTo(targets[w * CONTEXT + i - 1]);
      }
    }
  }

  @Test
  void separatorLinesPartDocuments() throws IOException {
    Path file = file("a", "first tale\n<|endoftext|>\nsecond tale\n<|endoftext|>\n");
    List<TextSource> sources = List.of(new TextSource(file, 1));
    BpeVocabulary vocabulary = Corpus.learnVocabulary(sources, 258);
    Corpus corpus = Corpus.encode(sources, vocabulary, CONTEXT);
    int bytes = "first tale".length() + "second tale".length();
    assertThat(corpus.tokens()).isEqualTo(bytes + 4);
  }

  @Test
  void aHeavierFileIsDrawnFromMoreOften() throws IOException {
    Path light = file("a", "a".repeat(1000));
    Path heavy = file("b", "b".repeat(1000));
    List<TextSource> sources = List.of(new TextSource(light, 1), new TextSource(heavy, 9));
    BpeVocabulary vocabulary = Corpus.learnVocabulary(sources, 258);
    Corpus corpus = Corpus.encode(sources, vocabulary, CONTEXT);
    long[] ids = new long[1000 * CONTEXT];
    long[] targets = new long[1000 * CONTEXT];
    corpus.draw(seeded(), 1000, CONTEXT, ids, targets);
    int b = new BpeEncoder(vocabulary).encode("b")[0];
    int drawn = 0;
    for (int w = 0; w < 1000; w++) {
      drawn += targets[w * CONTEXT + 3] == b ? 1 : 0;
    }
    assertThat(drawn).isBetween(850, 950);
  }

  @Test
  void aFileShorterThanAWindowIsRefusedByName() throws IOException {
    List<TextSource> sources = List.of(new TextSource(file("tiny.txt", "abc"), 1));
    BpeVocabulary vocabulary = Corpus.learnVocabulary(sources, 258);
    assertThatThrownBy(() -> Corpus.encode(sources, vocabulary, CONTEXT))
        .isInstanceOf(TrainException.class)
        .hasMessageContaining("tiny.txt holds 5 tokens");
  }

  @Test
  void bytesThatAreNoTextAreRefused() throws IOException {
    Path file = Files.write(directory.resolve("x.bin"), new byte[] {(byte) 0xFF, (byte) 0xFE, 1});
    List<TextSource> sources = List.of(new TextSource(file, 1));
    assertThatThrownBy(() -> Corpus.learnVocabulary(sources, 258))
        .isInstanceOf(TrainException.class)
        .hasMessageContaining("x.bin is not UTF-8");
  }
}
