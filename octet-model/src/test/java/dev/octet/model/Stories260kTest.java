package dev.octet.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvType;
import dev.octet.kernels.Providers;
import dev.octet.tensor.Tensor;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A real model: logits, greedy tokens and likelihoods as printed by llama2.c (its README). */
class Stories260kTest {
  private static final List<String> RUNS =
      List.of("bos", "prompt1", "prompt2", "prompt3", "prompt4", "prompt5");

  /** An open model and what it must compute. */
  private record Stories(
      Checkpoint checkpoint, Kernels kernels, CausalLm model, SafetensorsFile expected)
      implements AutoCloseable {
    static Stories open(String weights, String provider, RunOptions options) {
      Path folder = Shared.path("models/stories260K");
      Checkpoint checkpoint =
          Checkpoints.open(weights.equals("bf16") ? folder.resolve("bf16") : folder);
      Kernels kernels = Providers.create(provider, 2);
      return new Stories(
          checkpoint,
          kernels,
          CausalLm.load(checkpoint, kernels, options),
          SafetensorsFile.open(folder.resolve("expected.safetensors")));
    }

    Tensor logits(int[] ids) {
      try (KvCache cache = model.newCache()) {
        return model.forward(ids, cache, false);
      }
    }

    int[] stream(int row) {
      return Logits.ints(Logits.named(expected, "nll_stream_ids").row(row));
    }

    @Override
    public void close() {
      model.close();
      kernels.close();
      checkpoint.close();
      expected.close();
    }
  }

  @ParameterizedTest(name = "{0} with {1}")
  @CsvSource({"f32,reference", "f32,vector", "bf16,reference", "bf16,vector"})
  void logitsAndGreedyTokensAreThoseOfLlama2C(String weights, String provider) {
    try (Stories s = Stories.open(weights, provider, RunOptions.exact())) {
      for (String run : RUNS) {
        int[] ids = Logits.ints(Logits.named(s.expected, weights + ".greedy." + run + ".ids"));
        Tensor margin = Logits.named(s.expected, weights + ".greedy." + run + ".margin");
        Tensor logits = s.logits(ids);
        for (int i = 0; i + 1 < ids.length; i++) {
          if (margin.getFloat(i) >= 0) { // else the prompt gave the token
            assertThat(Logits.argmax(logits.row(i))).as("%s %d", run, i).isEqualTo(ids[i + 1]);
          }
        }
        Tensor wanted = s.expected.tensors().get(weights + ".logits." + run);
        if (wanted != null) {
          assertThat(Logits.maxDifference(logits.rowRange(0, 100), wanted)).isLessThan(5e-4);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0} with {1}")
  @CsvSource({"f32,reference", "f32,vector", "bf16,reference", "bf16,vector"})
  void likelihoodsAreThoseOfLlama2C(String weights, String provider) {
    try (Stories s = Stories.open(weights, provider, RunOptions.exact())) {
      Tensor wanted = Logits.named(s.expected, weights + ".nll.per_token");
      double difference = 0;
      for (int row = 0; row < 4; row++) {
        int[] ids = s.stream(row);
        Tensor logits = s.logits(ids);
        for (int i = 0; i + 1 < ids.length; i++) {
          double d = Logits.nll(logits.row(i), ids[i + 1]) - wanted.getFloat(row * 511L + i);
          assertThat(Math.abs(d)).as("stream %d, token %d", row, i).isLessThan(5e-4);
          difference += d;
        }
      }
      assertThat(Math.abs(difference / 2044)).isLessThan(5e-5);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"reference", "vector"})
  void sixteenBitAttentionAndCacheMoveTheMeanLikelihoodByLessThanAHundredth(String provider) {
    assertThat(meanNll(provider, RunOptions.auto())).isBetween(1.364050, 1.384050);
  }

  @ParameterizedTest
  @ValueSource(strings = {"reference", "vector"})
  void int8AttentionAndCacheMoveTheMeanLikelihoodByLessThanTwoHundredths(String provider) {
    RunOptions int8 = new RunOptions(AttentionKind.INT8, KvType.INT8);
    assertThat(meanNll(provider, int8)).isBetween(1.354050, 1.394050);
  }

  private static double meanNll(String provider, RunOptions options) {
    try (Stories s = Stories.open("f32", provider, options)) {
      double sum = 0;
      for (int row = 0; row < 4; row++) {
        int[] ids = s.stream(row);
        Tensor logits = s.logits(ids);
        for (int i = 0; i + 1 < ids.length; i++) {
          sum += Logits.nll(logits.row(i), ids[i + 1]);
        }
      }
      return sum / 2044;
    }
  }
}
