package dev.octet.bench.peer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class PeersTest {
  private static final List<Peer> TWO = List.of(new FakePeer("zeta", 1), new FakePeer("alpha", 1));

  private static final Peer BROKEN =
      new Peer() {
        @Override
        public String name() {
          return "broken";
        }

        @Override
        public PeerSession open(int threads) {
          throw new PeerException("broken cannot be loaded");
        }
      };

  @Test
  void allAreOpenedByNameOrTheOnesAskedFor() {
    try (Peers all = Peers.open(TWO, List.of(), 1);
        Peers one = Peers.open(TWO, List.of("zeta"), 1)) {
      assertThat(all.describe()).containsExactly("alpha 1.2.3, abacus", "zeta 1.2.3, abacus");
      assertThat(one.describe()).containsExactly("zeta 1.2.3, abacus");
      assertThat(Peers.none().isEmpty()).isTrue();
    }
  }

  @Test
  void aPeerThatIsNotThereIsRefusedWithThoseThatAre() {
    assertThatThrownBy(() -> Peers.open(TWO, List.of("beta"), 1))
        .isInstanceOf(PeerException.class)
        .hasMessageContainingAll("beta", "alpha, zeta");
  }

  @Test
  void withoutTheOptionalPartTheWayToGetItIsSaid() {
    assertThatThrownBy(() -> Peers.open(List.of(), 1))
        .isInstanceOf(PeerException.class)
        .hasMessageContaining("./octet bench");
  }

  @Test
  void whatIsOpenIsClosedWhenTheNextCannotBeLoaded() {
    FakePeer first = new FakePeer("a", 1);
    assertThatThrownBy(() -> Peers.open(List.of(first, BROKEN), List.of(), 1))
        .isInstanceOf(PeerException.class);
    assertThat(first.open()).hasValue(0);
  }
}
