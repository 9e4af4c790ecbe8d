package dev.octet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class StreamingDetokenizerTest {
  private static final List<Tokenizer> TOKENIZERS =
      List.of(TinyTokenizers.byteLevel(), TinyTokenizers.byteFallback());

  @Provide
  Arbitrary<String> texts() {
    Arbitrary<String> parts =
        Arbitraries.of(
            "a",
            " ",
            "é",
            "☕",
            "\n",
            "漢字",
            "😀",
            "👩‍👩‍👧‍👦",
            "🏳️‍🌈",
            "e\u0301",
            "\u0000",
            "\uFFFD",
            "ꙮ");
    return parts.list().ofMaxSize(30).map(list -> String.join("", list));
  }

  @Property(tries = 200)
  void validTextComesBackAndNoCodePointIsSplit(@ForAll("texts") String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    int[] ids = IntStream.range(0, utf8.length).map(i -> utf8[i] & 0xFF).toArray();
    for (Tokenizer tokenizer : TOKENIZERS) {
      List<String> pieces = stream(tokenizer, ids);
      assertThat(String.join("", pieces)).isEqualTo(text);
      for (String piece : pieces) {
        assertThat(piece.codePoints()).allMatch(c -> c < 0xD800 || c > 0xDFFF);
        assertThat(piece.codePointCount(0, piece.length())).isLessThanOrEqualTo(1);
      }
    }
  }

  @Property(tries = 300)
  void anyBytesGiveWhatTheWholeGives(
      @ForAll @Size(max = 40) List<@IntRange(min = 0, max = 255) Integer> bytes) {
    int[] ids = bytes.stream().mapToInt(Integer::intValue).toArray();
    byte[] raw = new byte[ids.length];
    for (int i = 0; i < raw.length; i++) {
      raw[i] = (byte) ids[i];
    }
    for (Tokenizer tokenizer : TOKENIZERS) {
      String streamed = String.join("", stream(tokenizer, ids));
      assertThat(streamed).isEqualTo(new String(raw, StandardCharsets.UTF_8));
      assertThat(tokenizer.decode(ids, true)).isEqualTo(streamed);
    }
  }

  /** The texts of every token pushed, then of the end. */
  private static List<String> stream(Tokenizer tokenizer, int[] ids) {
    StreamingDetokenizer detokenizer = tokenizer.streaming(new int[0], true);
    List<String> pieces = new ArrayList<>();
    for (int id : ids) {
      pieces.add(detokenizer.push(id));
    }
    pieces.add(detokenizer.finish());
    return pieces;
  }

  @Test
  void aCodePointComesWithItsLastByteAndAnUnfinishedOneAtTheEnd() {
    for (Tokenizer tokenizer : TOKENIZERS) {
      assertThat(stream(tokenizer, new int[] {0xE2, 0x98, 0x95, 0xE2, 0x98}))
          .containsExactly("", "", "☕", "", "", "\uFFFD");
    }
  }

  @Test
  void aBrokenCodePointIsReplacedAsSoonAsItIsKnownToBeBroken() {
    for (Tokenizer tokenizer : TOKENIZERS) {
      assertThat(stream(tokenizer, new int[] {0xE2, 'x', 'y'}))
          .containsExactly("", "\uFFFDx", "y", "");
    }
  }

  @Test
  void specialTokensAreLeftOutOrSpelled() {
    int[] ids = {TinyTokenizers.SPECIAL, 'a'};
    for (Tokenizer tokenizer : TOKENIZERS) {
      assertThat(tokenizer.decode(ids, true)).isEqualTo("a");
      assertThat(tokenizer.decode(ids, false)).isEqualTo("<s>a");
    }
  }

  @Test
  void aLeadingSpaceIsDroppedAtTheBeginningOfTextOnly() {
    Tokenizer tokenizer = Tokenizer.load(Shared.path("models/stories260K"));
    assertThat(tokenizer.streaming(new int[] {1}, true).push(403)).isEqualTo("Once");
    assertThat(tokenizer.streaming(new int[] {1, 403}, true).push(407)).isEqualTo(" upon");
  }

  @Test
  void decodingAgreesWithHuggingFaceOnWhatItEncodes() {
    List<String> texts =
        List.of(
            "👩‍👩‍👧‍👦 family",
            "漢字 and kana かな",
            "  two  spaces ",
            "a\u0000b",
            "🏳️‍🌈🏳️‍🌈",
            "naïve café");
    try (Tokenizer tokenizer = Tokenizer.load(Shared.path("models/stories260K"))) {
      for (String text : texts) {
        int[] ids = tokenizer.encode(text, true);
        assertThat(tokenizer.decode(ids, true)).isEqualTo(text);
      }
    }
  }
}
