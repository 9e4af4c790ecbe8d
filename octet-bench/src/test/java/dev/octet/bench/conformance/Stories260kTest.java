package dev.octet.bench.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import dev.octet.model.SequenceStep;
import dev.octet.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A real, trained model (karpathy/tinyllamas stories260K) against what llama2.c computes for it.
 * The tolerances are those of the README beside the model.
 */
final class Stories260kTest {
  private static final double LOGITS = 5e-4;
  private static final double NLL = 5e-4;
  private static final double MEAN_NLL = 5e-5;
  private static final int VOCAB = 512;
  private static final String PROVIDERS_AND_TYPES =
      """
      reference, f32
      reference, bf16
      vector, f32
      vector, bf16
      cpu, f32
      cpu, bf16
      """;

  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable resource : open.reversed()) {
      resource.close();
    }
  }

  private static Path directory() {
    Path directory = Conformance.shared().resolve("models/stories260K");
    assumeTrue(Files.isDirectory(directory), () -> directory + " is absent");
    return directory;
  }

  private CausalLm model(String provider, String type, RunOptions options) {
    Path directory = type.equals("f32") ? directory() : directory().resolve(type);
    Checkpoint checkpoint = Checkpoints.open(directory);
    open.add(checkpoint);
    assumeTrue(available(provider), () -> "no provider " + provider + " here");
    Kernels kernels = Providers.create(provider, 2);
    open.add(kernels);
    CausalLm model = CausalLm.load(checkpoint, kernels, options);
    open.add(model);
    return model;
  }

  private static boolean available(String provider) {
    return Providers.list().stream().anyMatch(p -> p.name().equals(provider) && p.available());
  }

  private ExpectedFile expected() {
    ExpectedFile file = ExpectedFile.open(directory().resolve("expected.safetensors"));
    open.add(file);
    return file;
  }

  private static float[] logits(CausalLm model, int[] ids) {
    try (KvCache cache = model.newCache()) {
      return model.forward(ids, cache, false).toFloats();
    }
  }

  private static double maxDifference(float[] got, float[] want) {
    assertThat(got).hasSameSizeAs(want);
    double worst = 0;
    for (int i = 0; i < got.length; i++) {
      double difference = Math.abs((double) got[i] - want[i]);
      worst = difference <= worst ? worst : difference; // NaN gets through
    }
    return worst;
  }

  /** −ln p of the next token at every position but the last. */
  private static double[] nll(float[] logits, int[] ids) {
    double[] nll = new double[ids.length - 1];
    for (int t = 0; t < nll.length; t++) {
      double max = logits[t * VOCAB + Distance.argmax(logits, t * VOCAB, VOCAB)];
      double sum = 0;
      for (int v = 0; v < VOCAB; v++) {
        sum += Math.exp(logits[t * VOCAB + v] - max);
      }
      nll[t] = max + Math.log(sum) - logits[t * VOCAB + ids[t + 1]];
    }
    return nll;
  }

  private static int[] stream(ExpectedFile expected, int row) {
    int[] all = expected.getInts("nll_stream_ids", 4, 512);
    return Arrays.copyOfRange(all, row * 512, (row + 1) * 512);
  }

  private static double meanNll(CausalLm model, ExpectedFile expected) {
    double sum = 0;
    for (int row = 0; row < 4; row++) {
      int[] ids = stream(expected, row);
      sum += Arrays.stream(nll(logits(model, ids), ids)).sum();
    }
    return sum / (4 * 511);
  }

  @ParameterizedTest
  @CsvSource(textBlock = PROVIDERS_AND_TYPES)
  void logitsAreThoseOfLlama2c(String provider, String type) {
    CausalLm model = model(provider, type, RunOptions.exact());
    ExpectedFile expected = expected();
    for (String run : List.of("bos", "prompt1", "prompt5")) {
      int[] ids = Arrays.copyOf(expected.getInts(type + ".greedy." + run + ".ids", -1), 100);
      float[] want = expected.getFloats(type + ".logits." + run, 100, VOCAB);
      assertThat(maxDifference(logits(model, ids), want)).as(run).isLessThanOrEqualTo(LOGITS);
    }
  }

  @ParameterizedTest
  @CsvSource(textBlock = PROVIDERS_AND_TYPES)
  void lossesAreThoseOfLlama2c(String provider, String type) {
    CausalLm model = model(provider, type, RunOptions.exact());
    ExpectedFile expected = expected();
    Tensor want = expected.get(type + ".nll.per_token", 4, 511);
    double sum = 0;
    double wanted = 0;
    for (int row = 0; row < 4; row++) {
      int[] ids = stream(expected, row);
      double[] nll = nll(logits(model, ids), ids);
      for (int t = 0; t < 511; t++) {
        double w = want.getFloat(row * 511L + t);
        assertThat(nll[t]).as("stream %d, token %d", row, t).isCloseTo(w, within(NLL));
        sum += nll[t];
        wanted += w;
      }
    }
    assertThat(sum / 2044).isCloseTo(wanted / 2044, within(MEAN_NLL));
  }

  @ParameterizedTest
  @CsvSource(textBlock = PROVIDERS_AND_TYPES)
  void greedyTextIsTheSameTokenForToken(String provider, String type) {
    CausalLm model = model(provider, type, RunOptions.exact());
    ExpectedFile expected = expected();
    for (int run = 0; run <= 5; run++) {
      String name = type + ".greedy." + (run == 0 ? "bos" : "prompt" + run);
      int[] ids = expected.getInts(name + ".ids", -1);
      float[] margin = expected.getFloats(name + ".margin", ids.length - 1);
      int prompt = 1;
      while (margin[prompt - 1] < 0) {
        prompt++;
      }
      assertThat(greedy(model, Arrays.copyOf(ids, prompt), ids.length)).as(name).isEqualTo(ids);
    }
  }

  private static int[] greedy(CausalLm model, int[] prompt, int length) {
    int[] ids = Arrays.copyOf(prompt, length);
    try (KvCache cache = model.newCache()) {
      int[] next = prompt;
      for (int t = prompt.length; t < length; t++) {
        float[] logits = model.forward(next, cache, true).toFloats();
        ids[t] = Distance.argmax(logits, 0, VOCAB);
        next = new int[] {ids[t]};
      }
    }
    return ids;
  }

  @ParameterizedTest
  @ValueSource(strings = {"reference", "vector"})
  void chunksAndBatchesChangeNothing(String provider) {
    CausalLm model = model(provider, "f32", RunOptions.exact());
    ExpectedFile expected = expected();
    int[] first = Arrays.copyOf(expected.getInts("f32.greedy.bos.ids", -1), 100);
    int[] second = Arrays.copyOf(expected.getInts("f32.greedy.prompt1.ids", -1), 100);
    float[] wantFirst = expected.getFloats("f32.logits.bos", 100, VOCAB);
    float[] wantSecond = expected.getFloats("f32.logits.prompt1", 100, VOCAB);
    float[] gotFirst = new float[100 * VOCAB];
    float[] gotSecond = new float[100 * VOCAB];
    try (KvCache a = model.newCache();
        KvCache b = model.newCache()) {
      int done = 0;
      for (int chunk : new int[] {1, 62, 2, 34, 1}) { // across the edge of a cache block
        int from = done;
        done += chunk;
        List<SequenceStep> batch =
            List.of(
                new SequenceStep(Arrays.copyOfRange(first, from, done), a),
                new SequenceStep(Arrays.copyOfRange(second, from, done), b));
        float[] packed = model.forward(batch, false).toFloats();
        System.arraycopy(packed, 0, gotFirst, from * VOCAB, chunk * VOCAB);
        System.arraycopy(packed, chunk * VOCAB, gotSecond, from * VOCAB, chunk * VOCAB);
      }
    }
    assertThat(maxDifference(gotFirst, wantFirst)).isLessThanOrEqualTo(LOGITS);
    assertThat(maxDifference(gotSecond, wantSecond)).isLessThanOrEqualTo(LOGITS);
  }

  /**
   * Limits on the change of the loss; eight channels a head leave FP8's rounding nothing to
   * average.
   */
  @Tag("slow")
  @ParameterizedTest
  @CsvSource({
    "reference, bf16, bf16, 0.01",
    "reference, int8, int8, 0.01",
    "vector, int8-bf16, bf16, 0.01",
    "vector, bf16, fp8_e4m3, 0.03"
  })
  void otherReducedAttentionAndCachesKeepTheLoss(
      String provider, String attention, String kv, double limit) {
    CausalLm model = model(provider, "f32", RunOptions.of(attention, kv));
    assertThat(meanNll(model, expected())).isCloseTo(1.374050, within(limit));
  }

  @ParameterizedTest
  @CsvSource({"bf16, bf16", "int8, int8"})
  void reducedAttentionAndCachesKeepLossAndTokens(String attention, String kv) {
    CausalLm model = model("vector", "f32", RunOptions.of(attention, kv));
    ExpectedFile expected = expected();
    assertThat(meanNll(model, expected)).isCloseTo(1.374050, within(0.01));
    int same = 0;
    for (String run : List.of("bos", "prompt1", "prompt5")) {
      int[] ids = Arrays.copyOf(expected.getInts("f32.greedy." + run + ".ids", -1), 100);
      float[] got = logits(model, ids);
      float[] want = expected.getFloats("f32.logits." + run, 100, VOCAB);
      for (int t = 0; t < 100; t++) {
        boolean agree =
            Distance.argmax(got, t * VOCAB, VOCAB) == Distance.argmax(want, t * VOCAB, VOCAB);
        same += agree ? 1 : 0;
      }
    }
    assertThat(same).isGreaterThanOrEqualTo(291); // 97 %
  }
}
