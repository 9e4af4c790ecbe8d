package dev.octet.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.RopeScaling;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvType;
import dev.octet.kernels.Providers;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CausalLmTest {
  private static final RopeScaling PLAIN = new RopeScaling.Default();
  private final Kernels vector = Providers.create("vector", 2);
  private final Kernels reference = Providers.create("reference", 2);

  @AfterEach
  void close() {
    vector.close();
    reference.close();
  }

  private static int[] ids(int count, int seed) {
    return new SplittableRandom(seed).ints(count, 0, 37).toArray();
  }

  private static Tensor run(CausalLm model, int[] ids) {
    try (KvCache cache = model.newCache()) {
      return model.forward(ids, cache, false);
    }
  }

  @Test
  void attentionThatHasNoKernelOfItsOwnIsSaidOnce() {
    assumeTrue(Providers.list().stream().anyMatch(p -> p.name().equals("cpu") && p.available()));
    RunOptions flash = new RunOptions(AttentionKind.INT_FLASH, KvType.BF16);
    try (Kernels cpu = Providers.create("cpu", 1);
        CausalLm model = CausalLm.load(new TinyModel(false, PLAIN), cpu, flash);
        CausalLm usual = CausalLm.load(new TinyModel(false, PLAIN), cpu, RunOptions.exact());
        CausalLm other = CausalLm.load(new TinyModel(false, PLAIN), vector, flash)) {
      assertThat(model.notices())
          .singleElement()
          .asString()
          .contains("int-flash", "vector provider");
      assertThat(usual.notices()).isEmpty();
      assertThat(other.notices()).isEmpty();
    }
  }

  private CausalLm load(TinyModel source, RunOptions options, int passRows) {
    return CausalLm.load(source, vector, options, passRows);
  }

  @ParameterizedTest
  @CsvSource({"false,reference", "false,vector", "true,reference", "true,vector"})
  void logitsAreThoseOfAnIndependentForwardPassInDouble(boolean rich, String provider) {
    TinyModel source = new TinyModel(rich, PLAIN);
    int[] ids = ids(90, 1);
    double[][] wanted = new DoubleForward(source).logits(ids);
    Kernels kernels = provider.equals("vector") ? vector : reference;
    try (CausalLm model = CausalLm.load(source, kernels, RunOptions.exact())) {
      Tensor got = run(model, ids);
      for (int t = 0; t < ids.length; t++) {
        for (int j = 0; j < 37; j++) {
          double error = Math.abs(got.getFloat(t * 37L + j) - wanted[t][j]);
          assertThat(error).as("position %d, token %d", t, j).isLessThan(5e-5);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aPromptInPiecesGivesWhatOnePassGives(boolean rich) {
    int[] ids = ids(150, 2);
    TinyModel source = new TinyModel(rich, PLAIN);
    try (CausalLm whole = load(source, RunOptions.exact(), 512);
        CausalLm pieces = load(source, RunOptions.exact(), 7)) {
      assertThat(Logits.maxDifference(run(pieces, ids), run(whole, ids))).isLessThan(2e-5);
    }
  }

  @Test
  void dynamicNtkTurnsAllPositionsByTheLengthOfTheWholePassHoweverItIsCut() {
    int[] ids = ids(40, 2);
    TinyModel source = new TinyModel(false, new RopeScaling.Dynamic(2, 16));
    try (CausalLm whole = load(source, RunOptions.exact(), 512);
        CausalLm pieces = load(source, RunOptions.exact(), 9);
        CausalLm plain = load(new TinyModel(false, PLAIN), RunOptions.exact(), 512)) {
      Tensor wanted = run(whole, ids);
      assertThat(Logits.maxDifference(run(pieces, ids), wanted)).isLessThan(2e-5);
      assertThat(Logits.maxDifference(run(plain, ids), wanted)).isGreaterThan(1e-2);
    }
  }

  @ParameterizedTest
  @CsvSource({"512,false", "512,true", "5,false", "5,true"})
  void aBatchGivesWhatEachSequenceGivesAlone(int passRows, boolean lastOnly) {
    TinyModel source = new TinyModel(true, PLAIN);
    try (CausalLm model = load(source, RunOptions.exact(), passRows)) {
      List<int[]> prompts = List.of(ids(11, 3), ids(1, 4), ids(70, 5), ids(2, 6));
      List<SequenceStep> batch = new ArrayList<>();
      for (int[] prompt : prompts) {
        batch.add(new SequenceStep(prompt, model.newCache()));
      }
      Tensor got = model.forward(batch, lastOnly);
      long row = 0;
      for (int[] prompt : prompts) {
        Tensor alone = run(model, prompt);
        long from = lastOnly ? prompt.length - 1 : 0;
        Tensor wanted = alone.rowRange(from, prompt.length);
        Tensor rows = got.rowRange(row, row + wanted.rows());
        assertThat(Logits.maxDifference(rows, wanted)).isLessThan(2e-5);
        row += wanted.rows();
      }
      assertThat(row).isEqualTo(got.rows());
      batch.forEach(step -> step.cache().close());
    }
  }

  @Test
  void tokenByTokenGivesWhatOnePassGivesAlsoAfterACut() {
    int[] ids = ids(80, 7);
    try (CausalLm model = load(new TinyModel(true, PLAIN), RunOptions.exact(), 512);
        KvCache cache = model.newCache()) {
      Tensor wanted = run(model, ids);
      model.forward(ids(75, 8), cache, true);
      cache.truncate(0);
      for (int t = 0; t < ids.length; t++) {
        Tensor got = model.forward(new int[] {ids[t]}, cache, true);
        assertThat(Logits.maxDifference(got, wanted.rowRange(t, t + 1))).isLessThan(2e-5);
      }
      assertThat(cache.length()).isEqualTo(80);
      cache.truncate(66);
      Tensor again = model.forward(Arrays.copyOfRange(ids, 66, 80), cache, false);
      assertThat(Logits.maxDifference(again, wanted.rowRange(66, 80))).isLessThan(2e-5);
    }
  }

  @Test
  void openChoicesFollowTheCheckpointAndTheCache() {
    TinyModel plain = new TinyModel(false, PLAIN);
    assertChoice(plain, RunOptions.auto(), AttentionKind.BF16, KvType.BF16);
    assertChoice(plain, RunOptions.exact(), AttentionKind.F32, KvType.F32);
    assertChoice(plain, RunOptions.of("auto", "int8"), AttentionKind.INT8, KvType.INT8);
    assertChoice(plain, RunOptions.of("auto", "f32"), AttentionKind.F32, KvType.F32);
    assertChoice(
        plain, RunOptions.of("int8-bf16", "fp8"), AttentionKind.INT8_BF16, KvType.FP8_E4M3);
    KvScales scales = new KvScales(DType.F8_E4M3, new float[] {0.02f}, new float[] {0.02f});
    TinyModel calibrated = new TinyModel(false, PLAIN).withKvScales(scales);
    assertChoice(calibrated, RunOptions.auto(), AttentionKind.BF16, KvType.FP8_E4M3);
    assertChoice(calibrated, RunOptions.exact(), AttentionKind.F32, KvType.FP8_E4M3);
    assertChoice(calibrated, RunOptions.of("auto", "bf16"), AttentionKind.BF16, KvType.BF16);
  }

  private void assertChoice(TinyModel source, RunOptions options, AttentionKind kind, KvType type) {
    try (CausalLm model = load(source, options, 512)) {
      assertThat(model.attention()).isEqualTo(kind);
      assertThat(model.kvType()).isEqualTo(type);
    }
  }

  @Test
  void calibratedScalesChangeTheResult() {
    int[] ids = ids(20, 9);
    KvScales coarse = new KvScales(DType.F8_E4M3, new float[] {1e-3f}, new float[] {1e-3f});
    try (CausalLm with =
            load(new TinyModel(false, PLAIN).withKvScales(coarse), RunOptions.exact(), 9);
        CausalLm without = load(new TinyModel(false, PLAIN), RunOptions.exact(), 9)) {
      assertThat(Logits.maxDifference(run(with, ids), run(without, ids)))
          .as("values beyond 448·scale saturate")
          .isGreaterThan(1e-2);
    }
  }

  @Test
  void inputThatCannotRunIsRefusedAndLeavesTheCacheAsItWas() {
    try (CausalLm model = load(new TinyModel(false, PLAIN), RunOptions.exact(), 4);
        CausalLm other = load(new TinyModel(false, PLAIN), RunOptions.exact(), 4);
        KvCache cache = model.newCache();
        KvCache foreign = other.newCache()) {
      model.forward(ids(6, 1), cache, true);
      assertRefused(model, new int[] {37}, cache, "token id 37");
      assertRefused(model, new int[] {-1}, cache, "token id -1");
      assertRefused(model, new int[995], cache, "1001 tokens exceed the model's context of 1000");
      assertRefused(model, new int[0], cache, "at least one token");
      assertRefused(model, new int[] {1}, foreign, "another model");
      SequenceStep step = new SequenceStep(new int[] {1}, cache);
      assertThatThrownBy(() -> model.forward(List.of(step, step), true))
          .hasMessageContaining("share a KV cache");
      assertThatThrownBy(() -> cache.truncate(7)).hasMessageContaining("6 tokens");
      assertThat(cache.length()).isEqualTo(6);
    }
  }

  private static void assertRefused(CausalLm model, int[] ids, KvCache cache, String message) {
    assertThatThrownBy(() -> model.forward(ids, cache, true))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(message);
  }

  @Test
  void aFailureInTheMiddleOfAPassLeavesTheCacheAsItWas() {
    AtomicInteger callsLeft = new AtomicInteger(Integer.MAX_VALUE);
    Kernels failing =
        (Kernels)
            Proxy.newProxyInstance(
                Kernels.class.getClassLoader(),
                new Class<?>[] {Kernels.class},
                (_, method, args) -> {
                  if (method.getName().equals("swiGlu") && callsLeft.decrementAndGet() < 0) {
                    throw new IllegalStateException("out of order");
                  }
                  return method.invoke(vector, args);
                });
    TinyModel source = new TinyModel(false, PLAIN);
    try (CausalLm model = CausalLm.load(source, failing, RunOptions.exact(), 4);
        KvCache cache = model.newCache()) {
      model.forward(ids(6, 1), cache, true);
      callsLeft.set(2); // both layers of the first piece, then the first layer of the second fails
      assertThatThrownBy(() -> model.forward(ids(10, 2), cache, true))
          .hasMessageContaining("out of order");
      assertThat(cache.length()).isEqualTo(6);
      callsLeft.set(Integer.MAX_VALUE);
      Tensor got = model.forward(ids(3, 3), cache, true);
      try (KvCache fresh = model.newCache()) {
        model.forward(ids(6, 1), fresh, true);
        assertThat(Logits.maxDifference(got, model.forward(ids(3, 3), fresh, true))).isZero();
      }
    }
  }

  @Test
  void weightsOfAnotherShapeAreRefusedByName() {
    TinyModel source = new TinyModel(false, PLAIN);
    String name = "model.layers.1.mlp.up_proj";
    source.replace(name + ".weight", Tensor.ofFloats(new float[24 * 19], 19, 24));
    assertThatThrownBy(() -> load(source, RunOptions.exact(), 4))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(name + " is [19, 24], the config asks for [20, 24]");
    TinyModel norm = new TinyModel(false, PLAIN);
    norm.replace("model.norm.weight", Tensor.ofFloats(new float[23], 23));
    assertThatThrownBy(() -> load(norm, RunOptions.exact(), 4))
        .hasMessageContaining("model.norm.weight");
    assertThatThrownBy(() -> norm.tensor("nothing")).isInstanceOf(CheckpointException.class);
  }

  @Test
  void aClosedModelOrCacheSaysSo() {
    CausalLm model = load(new TinyModel(false, PLAIN), RunOptions.exact(), 4);
    KvCache closed = model.newCache();
    closed.close();
    closed.close();
    assertThatThrownBy(() -> model.forward(new int[] {1}, closed, true))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("KV cache has been closed");
    try (KvCache cache = model.newCache()) {
      model.close();
      model.close();
      assertThatThrownBy(() -> model.forward(new int[] {1}, cache, true))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("model has been closed");
    }
  }

  @Test
  void bytesAreCountedOnceAndTheCacheGrowsWithTheType() {
    TinyModel source = new TinyModel(false, PLAIN);
    long floats = 37 * 24 + 24 + 2 * (2 * 24 + 24 * 24 * 2 + 2 * 12 * 24 + 3 * 20 * 24);
    try (CausalLm f32 = load(source, RunOptions.exact(), 4);
        CausalLm int8 = load(source, RunOptions.of("auto", "int8"), 4);
        KvCache wide = f32.newCache();
        KvCache narrow = int8.newCache()) {
      assertThat(f32.weightBytes()).isEqualTo(4 * floats);
      f32.forward(ids(64, 1), wide, true);
      int8.forward(ids(64, 1), narrow, true);
      assertThat(wide.byteSize()).isGreaterThanOrEqualTo(2L * 64 * 2 * 12 * 4);
      assertThat(narrow.byteSize()).isLessThan(wide.byteSize());
    }
  }
}
