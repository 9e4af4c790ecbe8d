package dev.octet.bench.peer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Set;
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
        public Set<Work> works() {
          return Set.of(Work.LINEAR);
        }

        @Override
        public PeerSession open(int threads) {
          throw new PeerException("broken cannot be loaded");
        }
      };

  @Test
  void allAreOpenedByNameOrTheOnesAskedFor() {
    try (Peers all = Peers.open(TWO, Work.LINEAR, List.of(), 1);
        Peers one = Peers.open(TWO, Work.LINEAR, List.of("zeta"), 1)) {
      assertThat(all.describe()).containsExactly("alpha 1.2.3, abacus", "zeta 1.2.3, abacus");
      assertThat(one.describe()).containsExactly("zeta 1.2.3, abacus");
      assertThat(Peers.none().isEmpty()).isTrue();
    }
  }

  @Test
  void aPeerThatIsNotThereIsRefusedWithThoseThatAre() {
    assertThatThrownBy(() -> Peers.open(TWO, Work.LINEAR, List.of("beta"), 1))
        .isInstanceOf(PeerException.class)
        .hasMessageContainingAll("beta", "alpha, zeta");
  }

  @Test
  void onlyThoseThatCanDoTheWorkAreOpened() {
    FakePeer able = new FakePeer("a", 1);
    try (Peers peers = Peers.open(List.of(able, BROKEN), Work.MODEL, List.of(), 1)) {
      assertThat(peers.describe()).containsExactly("a 1.2.3, abacus");
    }
    assertThatThrownBy(() -> Peers.open(List.of(able, BROKEN), Work.MODEL, List.of("broken"), 1))
        .isInstanceOf(PeerException.class)
        .hasMessageContainingAll("broken", "bench model", "there are a");
  }

  @Test
  void withoutTheOptionalPartTheWayToGetItIsSaid() {
    assertThatThrownBy(() -> Peers.open(Work.LINEAR, List.of(), 1))
        .isInstanceOf(PeerException.class)
        .hasMessageContaining("./octet bench");
  }

  @Test
  void whatIsOpenIsClosedWhenTheNextCannotBeLoaded() {
    FakePeer first = new FakePeer("a", 1);
    assertThatThrownBy(() -> Peers.open(List.of(first, BROKEN), Work.LINEAR, List.of(), 1))
        .isInstanceOf(PeerException.class);
    assertThat(first.open()).hasValue(0);
  }
}
