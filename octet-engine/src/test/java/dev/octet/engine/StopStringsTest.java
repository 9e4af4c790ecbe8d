package dev.octet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class StopStringsTest {
  @Test
  void aStopStringAcrossPiecesIsCutAndNothingOfItIsEverEmitted() {
    StopStrings stops = new StopStrings(List.of("###", "\n\n"));
    assertThat(stops.push("one #")).isEqualTo("one ");
    assertThat(stops.push("two ##")).isEqualTo("#two ");
    assertThat(stops.found()).isFalse();
    assertThat(stops.push("# three")).isEmpty();
    assertThat(stops.found()).isTrue();
    assertThat(stops.push("four")).isEmpty();
    assertThat(stops.finish()).isEmpty();
  }

  @Test
  void whatTurnsOutToBeNoStopStringComesAtTheEnd() {
    StopStrings stops = new StopStrings(List.of("stop"));
    assertThat(stops.push("non-sto")).isEqualTo("non-");
    assertThat(stops.finish()).isEqualTo("sto");
  }

  @Test
  void withoutStopStringsNothingIsHeldBack() {
    assertThat(new StopStrings(List.of()).push("text")).isEqualTo("text");
  }

  @Provide
  Arbitrary<List<String>> pieces() {
    return Arbitraries.strings().withChars("ab").ofMaxLength(3).list().ofMaxSize(20);
  }

  @Property(tries = 300)
  void howTextIsCutIntoPiecesDoesNotMatter(@ForAll("pieces") List<String> pieces) {
    String stop = "abba";
    StopStrings stops = new StopStrings(List.of(stop));
    StringBuilder emitted = new StringBuilder();
    for (String piece : pieces) {
      emitted.append(stops.push(piece));
    }
    emitted.append(stops.finish());
    String whole = String.join("", pieces);
    int at = whole.indexOf(stop);
    assertThat(emitted.toString()).isEqualTo(at < 0 ? whole : whole.substring(0, at));
    assertThat(stops.found()).isEqualTo(at >= 0);
  }
}
