package dev.octet.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;
import static org.assertj.core.data.Percentage.withPercentage;

import dev.octet.bench.peer.FakePeer;
import dev.octet.bench.peer.PeerException;
import dev.octet.bench.peer.Peers;
import dev.octet.bench.peer.Work;
import dev.octet.kernels.Products;
import dev.octet.model.RunOptions;
import dev.octet.quantize.OuterSchemes;
import dev.octet.tensor.QuantScheme;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelDuelTest {
  private static final ModelBench.Options OPTIONS =
      new ModelBench.Options(
          ModelShape.of("llama-3.2-1b"),
          List.of("w8a8"),
          OuterSchemes.NONE,
          RunOptions.of("auto", "auto"),
          "vector",
          Products.F32,
          1,
          5,
          3,
          2);

  private static Peers peers(FakePeer peer) {
    return Peers.open(List.of(peer), Work.MODEL, List.of(), 1);
  }

  @Test
  void timesAreOfAPassAndRatiosOfTheWholeTest() {
    FakePeer fake = new FakePeer("fake", 1);
    try (Peers peers = peers(fake);
        ModelDuel duel = ModelDuel.open(OPTIONS, peers, QuantScheme.W8A8)) {
      duel.warmUp();
      duel.round(0);
      duel.round(1);
      PeerTime prompt = duel.beside(0.001, true).getFirst();
      PeerTime answer = duel.beside(0.003, false).getFirst();
      assertThat(prompt.peer()).isEqualTo("fake beads INT8");
      assertThat(prompt.ms()).isGreaterThanOrEqualTo(1.9);
      assertThat(prompt.ratio()).isCloseTo(prompt.ms(), withPercentage(1e-6));
      assertThat(answer.ratio()).as("3 passes each").isCloseTo(answer.ms(), withPercentage(1e-6));
      assertThat(duel.rows())
          .extracting(BenchResult::variant, BenchResult::input)
          .containsExactly(
              tuple("llama-3.2-1b fake beads INT8", "pp5"),
              tuple("llama-3.2-1b fake beads INT8", "tg3"));
      BenchResult row = duel.rows().getLast();
      assertThat(row.metrics()).containsEntry("gib", 1.0);
      double rate = row.metrics().getOrDefault("gb_per_s", 0.0);
      assertThat(rate * answer.ms()).as("1 MB a pass").isCloseTo(1, withPercentage(1e-6));
      double perSecond = row.metrics().getOrDefault("tokens_per_s", 0.0);
      assertThat(perSecond * answer.ms()).isCloseTo(1000, withPercentage(1e-6));
    }
    assertThat(fake.open()).hasValue(0);
  }

  @ParameterizedTest
  @CsvSource({"w8a8,INT8", "fp8,INT8", "w4a16,INT4", "bf16,BF16"})
  void thePeersWeightsHaveAsManyBitsAsOurs(String quantization, String bits) {
    try (Peers peers = peers(new FakePeer("fake", 1));
        ModelDuel duel = ModelDuel.open(OPTIONS, peers, LinearBench.scheme(quantization))) {
      duel.round(0);
      assertThat(duel.beside(1, true).getFirst().peer()).isEqualTo("fake beads " + bits);
    }
  }

  @Test
  void aModelWithoutSensibleLogitsIsNoFastModel() {
    FakePeer fake = new FakePeer("fake", -1);
    try (Peers peers = peers(fake);
        ModelDuel duel = ModelDuel.open(OPTIONS, peers, null)) {
      assertThatThrownBy(duel::warmUp)
          .isInstanceOf(PeerException.class)
          .hasMessage("fake: no logits");
    }
  }

  @Test
  void withoutPeersNothingRunsBeside() {
    try (ModelDuel duel = ModelDuel.open(OPTIONS, Peers.none(), null)) {
      duel.warmUp();
      duel.round(0);
      assertThat(duel.rows()).isEmpty();
      assertThat(duel.beside(1, true)).isEmpty();
    }
  }
}
