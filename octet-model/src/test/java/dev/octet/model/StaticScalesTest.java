package dev.octet.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.RopeScaling;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvType;
import dev.octet.kernels.Providers;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Calibrated scales of attention, and forms of layers that serve decoding only. */
class StaticScalesTest {
  private static final Kernels KERNELS = Providers.create("reference", 1);
  private static final int[] IDS = {3, 9, 27, 1, 30, 12, 12, 5};
  private static final float[] NONE = {};
  private static final KvScales CACHE =
      new KvScales(
          DType.I8, new float[] {0.03f}, new float[] {0.02f, 0.03f}, NONE, new float[] {7});
  private static final QueryScales COARSE = new QueryScales(DType.I8, new float[] {1}, NONE);

  @AfterAll
  static void close() {
    KERNELS.close();
  }

  private static TinyModel plain() {
    return new TinyModel(false, new RopeScaling.Default());
  }

  private static float[] run(TinyModel source, RunOptions options) {
    try (CausalLm model = CausalLm.load(source, KERNELS, options);
        KvCache cache = model.newCache()) {
      return model.forward(IDS, cache, false).toFloats();
    }
  }

  private static double difference(float[] got, float[] wanted) {
    return Logits.maxDifference(
        Tensor.ofFloats(got, got.length), Tensor.ofFloats(wanted, wanted.length));
  }

  @Test
  void queriesAreRoundedWhereTheCacheIsCalibrated() {
    float[] cacheOnly = run(plain().withKvScales(CACHE), RunOptions.exact());
    Supplier<TinyModel> both = () -> plain().withKvScales(CACHE).withQueryScales(COARSE);
    assertThat(difference(run(both.get(), RunOptions.exact()), cacheOnly)).isGreaterThan(1e-2);
    RunOptions wide = new RunOptions(AttentionKind.F32, KvType.F32);
    assertThat(run(both.get(), wide)).containsExactly(run(plain(), wide));
  }

  @Test
  void aFineScaleChangesNextToNothing() {
    QueryScales fine = new QueryScales(DType.I8, new float[] {0.05f}, new float[] {-5});
    float[] cacheOnly = run(plain().withKvScales(CACHE), RunOptions.exact());
    float[] got = run(plain().withKvScales(CACHE).withQueryScales(fine), RunOptions.exact());
    assertThat(difference(got, cacheOnly)).isBetween(1e-6, 0.3);
  }

  @Test
  void aLayerWithoutScalesStaysInFloatingPoint() {
    TinyModel half = plain().withKvScales(CACHE).withQueryScales(COARSE).withScalesInFirst(1);
    List<LayerAttention> plan = KvPlan.of(half, RunOptions.exact());
    assertThat(plan.get(0).cache().type()).isEqualTo(KvType.INT8);
    assertThat(plan.get(0).query()).isNotNull();
    assertThat(plan.get(1).cache().type()).isEqualTo(KvType.F32);
    assertThat(plan.get(1).query()).isNull();
    List<LayerAttention> open = KvPlan.of(half, RunOptions.auto());
    assertThat(open.get(0).kind()).isEqualTo(AttentionKind.INT8);
    assertThat(open.get(1).kind()).isEqualTo(AttentionKind.BF16);
  }

  @Test
  void strictRefusesScalesThatAreMissingOrOnes() {
    RunOptions strict = RunOptions.exact().with(KvScalePolicy.STRICT);
    run(plain(), strict);
    run(plain().withKvScales(CACHE), strict);
    assertRefused(plain().withKvScales(CACHE).withScalesInFirst(1), strict, "1 of 2 layers");
    assertRefused(plain().withKvScales(CACHE).withQueryScales(COARSE), strict, "all 1.0");
    assertRefused(
        plain(),
        new RunOptions(AttentionKind.F32, KvType.INT8).with(KvScalePolicy.STRICT),
        "no calibrated scales for a cache in int8");
  }

  private static void assertRefused(TinyModel source, RunOptions options, String reason) {
    assertThatThrownBy(() -> run(source, options))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("strict")
        .hasMessageContaining(reason);
  }

  @Test
  void whatStrictRefusesIsSaidOtherwise() {
    try (CausalLm model =
        CausalLm.load(
            plain().withKvScales(CACHE).withQueryScales(COARSE).withScalesInFirst(1),
            KERNELS,
            RunOptions.exact())) {
      assertThat(model.notices()).hasSize(2);
    }
    ScaleReport report = ScaleReport.of(plain().withKvScales(CACHE));
    assertThat(report.problems()).isEmpty();
    assertThat(report.ranges())
        .contains(new ScaleReport.Range("cache values", "int8", 4, 0.02f, 0.03f, 0.03f, true));
  }

  /** Prompts go through one form, single tokens that follow through the other; also in a batch. */
  @Test
  void decodingHasItsOwnForm() {
    TinyModel both = plain().withFormsForDecoding();
    try (CausalLm model = CausalLm.load(both, KERNELS, RunOptions.exact());
        CausalLm other = CausalLm.load(plain(), KERNELS, RunOptions.exact());
        KvCache a = model.newCache();
        KvCache b = model.newCache();
        KvCache c = model.newCache();
        KvCache d = other.newCache()) {
      float[] prompt = model.forward(IDS, a, true).toFloats();
      assertThat(prompt).containsExactly(other.forward(IDS, d, true).toFloats());
      float[] next = model.forward(new int[] {4}, a, true).toFloats();
      float[] otherNext = other.forward(new int[] {4}, d, true).toFloats();
      assertThat(difference(next, otherNext)).isGreaterThan(1e-2);
      model.forward(IDS, b, true);
      Tensor mixed =
          model.forward(
              List.of(new SequenceStep(new int[] {4}, b), new SequenceStep(IDS, c)), true);
      assertThat(mixed.row(0).toFloats()).containsExactly(next);
      assertThat(mixed.row(1).toFloats()).containsExactly(prompt);
    }
  }
}
