package dev.octet.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import dev.octet.bench.peer.FakePeer;
import dev.octet.bench.peer.PeerException;
import dev.octet.bench.peer.Peers;
import dev.octet.bench.peer.Work;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import dev.octet.kernels.Products;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Our kernels beside a peer's in the same rounds. */
class CompareTest {
  private final List<BenchResult> rows = new ArrayList<>();
  private final List<BenchResult> appended = new ArrayList<>();

  private void linear(FakePeer peer) {
    LinearBench.Options options =
        new LinearBench.Options(
            List.of("bf16", "w8a8"),
            List.of(new LinearBench.Shape(24, 40)),
            List.of(3),
            List.of("vector"),
            List.of(Products.F32),
            1,
            1);
    try (Peers peers = Peers.open(List.of(peer), Work.LINEAR, List.of(), 1)) {
      LinearBench.run(options, peers, this::keep);
    }
  }

  /** The limits of this machine go first; what they are no test can know. */
  private void keep(BenchResult row) {
    if (row.variant().equals("machine")) {
      assertThat(rows).isEmpty();
      assertThat(row.metrics().values()).hasSize(1).allMatch(limit -> limit > 0);
    } else if (row.input().startsWith("append")) {
      appended.add(row);
    } else {
      if (row.variant().startsWith("fake")) {
        assertThat(row.metrics()).doesNotContainKeys("of_read", "of_ops");
      } else {
        assertThat(row.metrics().keySet()).containsAnyOf("of_read", "of_ops");
      }
      rows.add(row);
    }
  }

  private void attention(FakePeer peer) {
    AttentionBench.Options options =
        new AttentionBench.Options(
            List.of(new AttentionBench.Variant(AttentionKind.INT8, KvType.INT8)),
            4,
            2,
            List.of(64),
            List.of(70),
            9,
            true,
            true,
            "vector",
            1,
            1);
    try (Peers peers = Peers.open(List.of(peer), Work.LINEAR, List.of(), 1)) {
      AttentionBench.run(options, peers, this::keep);
    }
  }

  private void holdTogether(BenchResult ours, BenchResult peer, String label) {
    assertThat(peer.variant()).isEqualTo(label);
    assertThat(peer.isa()).isEqualTo("abacus");
    assertThat(peer.input()).isEqualTo(ours.input());
    assertThat(peer.metrics().get("relL1")).isLessThan(1e-5);
    assertThat(ours.peers())
        .singleElement()
        .satisfies(
            time -> {
              assertThat(time.peer()).isEqualTo(label);
              assertThat(time.ms()).isEqualTo(peer.metrics().get("ms")).isPositive();
              assertThat(time.ratio() * metric(ours, "ms"))
                  .isCloseTo(time.ms(), offset(1e-9 * time.ms()));
            });
  }

  private static double metric(BenchResult row, String name) {
    return row.metrics().getOrDefault(name, Double.NaN);
  }

  @Test
  void everyLinearRowHasThePeersTimeAndItsOwnError() {
    FakePeer peer = new FakePeer("fake", 1);
    linear(peer);
    assertThat(rows).extracting(BenchResult::variant).containsExactly("bf16", "w8a8", "fake beads");
    holdTogether(rows.get(0), rows.get(2), "fake beads");
    holdTogether(rows.get(1), rows.get(2), "fake beads");
    assertThat(rows.get(0).metrics().get("relL1")).isLessThan(1e-5);
    assertThat(rows.get(1).metrics().get("relL1")).isBetween(1e-3, 3e-2);
    assertThat(metric(rows.get(2), "gb_per_s") * metric(rows.get(2), "ms"))
        .as("1000 bytes")
        .isCloseTo(1e-3, offset(1e-9));
    assertThat(peer.open()).as("all is closed").hasValue(0);
  }

  @Test
  void prefillAndDecodingAreComparedOnTheSameKeys() {
    FakePeer peer = new FakePeer("fake", 1);
    attention(peer);
    assertThat(rows).hasSize(4);
    holdTogether(rows.get(0), rows.get(1), "fake beads");
    holdTogether(rows.get(2), rows.get(3), "fake beads");
    assertThat(rows.get(0).metrics().get("relL1")).isBetween(1e-3, 3e-2);
    assertThat(rows.get(3).input()).isEqualTo("decode 4:2");
    assertThat(appended)
        .extracting(row -> row.variant() + " " + row.input())
        .containsExactly(
            "kv-int8 append 9 2",
            "kv-int8 append 9 2 rope apart",
            "kv-int8 append 1 2",
            "kv-int8 append 1 2 rope apart");
    assertThat(appended).allSatisfy(row -> assertThat(metric(row, "gb_per_s")).isPositive());
    assertThat(peer.open()).hasValue(0);
  }

  @Test
  void aPeerThatComputesSomethingElseIsNoFastPeer() {
    FakePeer peer = new FakePeer("fake", 1.05f);
    assertThatThrownBy(() -> linear(peer))
        .isInstanceOf(PeerException.class)
        .hasMessageContainingAll("fake beads", "5.00 %", "2.00 %");
    assertThatThrownBy(() -> attention(peer)).isInstanceOf(PeerException.class);
    assertThat(peer.open()).hasValue(0);
  }

  @Test
  void anErrorThatIsNoNumberIsTooLarge() {
    assertThatThrownBy(() -> linear(new FakePeer("fake", Float.NaN)))
        .isInstanceOf(PeerException.class);
    assertThat(PeerCheck.relativeError(Tensor.ofFloats(new float[] {Float.NaN}, 1), one())).isNaN();
    assertThat(PeerCheck.relativeError(Tensor.ofFloats(new float[] {0.75f}, 1), one()))
        .isEqualTo(0.25);
  }

  private static Tensor one() {
    return Tensor.ofFloats(new float[] {1}, 1);
  }

  @Test
  void withoutPeersRowsAreAsBefore() {
    LinearBench.run(
        new LinearBench.Options(
            List.of("w8a8"),
            List.of(new LinearBench.Shape(24, 40)),
            List.of(1),
            List.of("vector"),
            List.of(Products.F32),
            1,
            1),
        this::keep);
    assertThat(rows).hasSize(1).allSatisfy(row -> assertThat(row.peers()).isEmpty());
    assertThat(rows.getFirst().metrics()).doesNotContainKey("relL1");
  }
}
