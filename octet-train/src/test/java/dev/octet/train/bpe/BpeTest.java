package dev.octet.train.bpe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

class BpeTest {
  private static final String STORY =
      """
      The fox ran to the hill. The fox sat on the hill, and the hill was green.

      "Don't run," said the owl; it was 1905 o'clock... naïve café, 你好!
      """;

  @Provide
  static Arbitrary<String> texts() {
    Arbitrary<Character> letters =
        Arbitraries.chars().with("abcdeABC019 .,'\"-\n\t\r éß你\u00a0\u3000💡".toCharArray());
    return letters.array(char[].class).ofMaxSize(60).map(String::new).map(BpeTest::paired);
  }

  /** Unpaired surrogates are no text: UTF-8 cannot carry them. */
  private static String paired(String text) {
    return new String(ByteAlphabet.utf8(text), StandardCharsets.UTF_8);
  }

  private static BpeVocabulary learned(String text, int size) {
    BpeTrainer trainer = new BpeTrainer();
    trainer.add(text);
    return trainer.train(size);
  }

  @Property(tries = 200)
  void decodingGivesBackWhatWasEncoded(@ForAll("texts") String text) {
    BpeEncoder encoder = new BpeEncoder(learned(STORY, 300));
    assertThat(encoder.decode(encoder.encode(text))).isEqualTo(text);
  }

  @Property(tries = 200)
  void piecesCoverTheTextWithoutGaps(@ForAll("texts") String text) {
    StringBuilder joined = new StringBuilder();
    PreTokenizer.split(text, joined::append);
    assertThat(joined.toString()).isEqualTo(text);
  }

  @Property(tries = 60)
  void mergesAreThoseThatCountingAnewEachTimeWouldFind(@ForAll("texts") String text) {
    String corpus = text + " " + STORY + text;
    assertThat(learned(corpus, 300).merges()).isEqualTo(countingAnew(corpus, 300 - 258));
  }

  @Property(tries = 60)
  void noTwoTokensSpellTheSame(@ForAll("texts") String text) {
    BpeVocabulary vocabulary = learned(text + text + STORY, 400);
    Set<String> spelled = new HashSet<>();
    for (byte[] token : vocabulary.tokens().subList(2, vocabulary.size())) {
      assertThat(spelled.add(ByteAlphabet.encode(token))).isTrue();
    }
  }

  @Example
  void theVocabularyReadBackIsTheOneWritten() {
    BpeVocabulary vocabulary = learned(STORY, 320);
    assertThat(TokenizerJson.read(TokenizerJson.write(vocabulary) + "\n")).isEqualTo(vocabulary);
  }

  @Example
  void aStrangeTokenizerIsRefused() {
    assertThatThrownBy(() -> TokenizerJson.read("{\"model\":{\"type\":\"Unigram\"}}"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("not written by this trainer");
    assertThatThrownBy(() -> TokenizerJson.read("{"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("not JSON");
  }

  @Example
  void aVocabularySmallerThanTheBytesIsRefused() {
    assertThatThrownBy(() -> learned(STORY, 257)).hasMessageContaining("at least 258");
  }

  @Example
  void aMergeOfTokensThatDoNotExistIsRefused() {
    assertThatThrownBy(
            () -> new BpeVocabulary(List.of("x"), List.of(new BpeVocabulary.Merge(1, 257))))
        .hasMessageContaining("merge 0");
  }

  /** The definition, slow: count all pairs, take the best, merge it everywhere, again. */
  private static List<BpeVocabulary.Merge> countingAnew(String text, int wanted) {
    BpeVocabulary bytes = new BpeVocabulary(List.of("", " "), List.of());
    List<int[]> words = new ArrayList<>();
    PreTokenizer.split(
        text,
        piece -> {
          byte[] utf8 = ByteAlphabet.utf8(piece);
          int[] word = new int[utf8.length];
          for (int i = 0; i < word.length; i++) {
            word[i] = bytes.idOfByte(utf8[i] & 0xFF);
          }
          words.add(word);
        });
    List<String> spelled = new ArrayList<>();
    bytes.tokens().forEach(token -> spelled.add(ByteAlphabet.encode(token)));
    List<BpeVocabulary.Merge> merges = new ArrayList<>();
    Set<BpeVocabulary.Merge> passedOver = new HashSet<>();
    while (merges.size() < wanted) {
      Optional<BpeVocabulary.Merge> found = best(words, passedOver);
      if (found.isEmpty()) {
        break;
      }
      BpeVocabulary.Merge best = found.get();
      String made = spelled.get(best.left()) + spelled.get(best.right());
      if (spelled.contains(made)) {
        passedOver.add(best);
        continue;
      }
      int id = spelled.size();
      spelled.add(made);
      words.replaceAll(word -> BpeTrainer.join(word, best.left(), best.right(), id));
      merges.add(best);
    }
    return merges;
  }

  private static Optional<BpeVocabulary.Merge> best(
      List<int[]> words, Set<BpeVocabulary.Merge> passedOver) {
    Map<BpeVocabulary.Merge, Integer> counts = new HashMap<>();
    for (int[] word : words) {
      for (int i = 0; i + 1 < word.length; i++) {
        counts.merge(new BpeVocabulary.Merge(word[i], word[i + 1]), 1, Integer::sum);
      }
    }
    counts.keySet().removeAll(passedOver);
    return counts.entrySet().stream()
        .filter(e -> e.getValue() >= 2)
        .min(
            Comparator.<Map.Entry<BpeVocabulary.Merge, Integer>>comparingInt(e -> -e.getValue())
                .thenComparingInt(e -> e.getKey().left())
                .thenComparingInt(e -> e.getKey().right()))
        .map(Map.Entry::getKey);
  }
}
