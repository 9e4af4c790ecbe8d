package dev.octet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.RunOptions;
import dev.octet.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Generation with a real model, stories260K, whose greedy tokens are known. */
class GeneratorTest {
  private final Path folder = Shared.path("models/stories260K");
  private final Kernels kernels = Providers.create("vector", 2);
  private final Checkpoint checkpoint = Checkpoints.open(folder);
  private final CausalLm model = CausalLm.load(checkpoint, kernels, RunOptions.exact());
  private final Tokenizer tokenizer = Tokenizer.load(folder);
  private final Generator generator = new Generator(model, tokenizer);
  private final List<int[]> greedy = new ArrayList<>();

  @BeforeEach
  void readGreedyRuns() {
    try (SafetensorsFile file = SafetensorsFile.open(folder.resolve("expected.safetensors"))) {
      for (String run : List.of("bos", "prompt1", "prompt2", "prompt3", "prompt4", "prompt5")) {
        Tensor ids = Objects.requireNonNull(file.tensors().get("f32.greedy." + run + ".ids"));
        int[] out = new int[Math.toIntExact(ids.size())];
        for (int i = 0; i < out.length; i++) {
          out[i] = (int) ids.getLong(i);
        }
        greedy.add(out);
      }
    }
  }

  @AfterEach
  void close() {
    tokenizer.close();
    model.close();
    checkpoint.close();
    kernels.close();
  }

  private static int[] prompt(int[] run) {
    return Arrays.copyOf(run, run.length - 200);
  }

  private static int[] continuation(int[] run) {
    return Arrays.copyOfRange(run, run.length - 200, run.length);
  }

  @Test
  void greedyTokensAndTextAreThoseOfLlama2C() {
    SamplingParams params = SamplingParams.greedy(200).withIgnoreEos(true);
    for (int[] run : greedy) {
      StringBuilder heard = new StringBuilder();
      Generation g =
          generator.generate(
              prompt(run),
              params,
              (sequence, id, text) -> {
                heard.append(text);
                return sequence == 0 && id >= 0;
              });
      assertThat(g.ids()).isEqualTo(continuation(run));
      assertThat(g.finishReason()).isEqualTo(FinishReason.LENGTH);
      assertThat(g.text()).isEqualTo(heard.toString());
      String whole = tokenizer.decode(run, true);
      assertThat(tokenizer.decode(prompt(run), true) + g.text()).isEqualTo(whole);
      assertThat(g.promptTokens()).isEqualTo(run.length - 200);
      assertThat(g.prefillSeconds()).isPositive();
      assertThat(g.decodeTokensPerSecond()).isPositive().isFinite();
    }
  }

  @Test
  void aBatchGivesWhatEachWouldGiveAlone() {
    List<GenerationRequest> requests = new ArrayList<>();
    for (int i = 0; i < greedy.size(); i++) {
      SamplingParams params =
          SamplingParams.defaults().withTemperature(i * 0.3).withSeed(i).withMaxTokens(20 + 10 * i);
      requests.add(new GenerationRequest(prompt(greedy.get(i)), params));
    }
    List<Generation> batch = generator.generateBatch(requests, TokenListener.none());
    for (int i = 0; i < requests.size(); i++) {
      GenerationRequest r = requests.get(i);
      Generation alone = generator.generate(r.prompt(), r.params(), TokenListener.none());
      assertThat(batch.get(i).ids()).as("sequence %d", i).isEqualTo(alone.ids());
      assertThat(batch.get(i).text()).isEqualTo(alone.text());
      assertThat(batch.get(i).finishReason()).isEqualTo(alone.finishReason());
    }
  }

  @Test
  void theSameSeedGivesTheSameTextAndAnotherSeedAnother() {
    SamplingParams params = SamplingParams.defaults().withTopP(0.95).withMaxTokens(40);
    assertThat(text(params.withSeed(7))).isEqualTo(text(params.withSeed(7)));
    assertThat(text(params.withSeed(7))).isNotEqualTo(text(params.withSeed(8)));
  }

  private String text(SamplingParams params) {
    return generator.generate(new int[] {1}, params, TokenListener.none()).text();
  }

  @Test
  void aStopStringEndsTheTextAndIsCutFromIt() {
    // Greedy text: "Once upon a time, there was a little girl named Lily. She loved to play …"
    SamplingParams params = SamplingParams.greedy(200).withStop(List.of("ily. She lo", "never"));
    StringBuilder heard = new StringBuilder();
    Generation g =
        generator.generate(
            new int[] {1},
            params,
            (_, _, text) -> {
              heard.append(text);
              return true;
            });
    assertThat(g.finishReason()).isEqualTo(FinishReason.STOP);
    assertThat(g.text()).startsWith("Once upon a time, ").endsWith(" named L");
    assertThat(heard.toString()).isEqualTo(g.text());
  }

  @Test
  void aStopTokenEndsTheGenerationAndIsNotText() {
    int comma = tokenizer.encode("Once upon a time,", false)[4];
    SamplingParams params = SamplingParams.greedy(200).withStopTokenIds(List.of(comma));
    Generation g = generator.generate(new int[] {1}, params, TokenListener.none());
    assertThat(g.finishReason()).isEqualTo(FinishReason.STOP);
    assertThat(g.text()).isEqualTo("Once upon a time");
    assertThat(g.ids()).endsWith(comma).hasSize(5);
  }

  @Test
  void theListenerCanCancel() {
    Generation g =
        generator.generate(new int[] {1}, SamplingParams.greedy(200), (_, id, _) -> id != 378);
    assertThat(g.finishReason()).isEqualTo(FinishReason.CANCELLED);
    assertThat(g.text()).isEqualTo("Once upon a time");
  }

  @Test
  void aFullContextEndsTheGeneration() {
    int[] prompt = new int[510];
    Arrays.fill(prompt, 403);
    SamplingParams params = SamplingParams.greedy(200).withIgnoreEos(true);
    Generation g = generator.generate(prompt, params, TokenListener.none());
    assertThat(g.finishReason()).isEqualTo(FinishReason.LENGTH);
    assertThat(g.ids()).as("two more positions, and the token after them").hasSize(3);
  }

  @Test
  void withoutATokenizerThereAreTokensAndNoText() {
    Generator plain = new Generator(model, null);
    SamplingParams params = SamplingParams.greedy(4);
    Generation g = plain.generate(new int[] {1}, params, TokenListener.none());
    assertThat(g.ids()).containsExactly(403, 407, 261, 378);
    assertThat(g.text()).isEmpty();
    assertThatThrownBy(
            () ->
                plain.generate(new int[] {1}, params.withStop(List.of("x")), TokenListener.none()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("tokenizer");
  }

  @Test
  void promptsThatCannotRunAreRefused() {
    SamplingParams params = SamplingParams.greedy(1);
    TokenListener none = TokenListener.none();
    assertThatThrownBy(() -> generator.generate(new int[0], params, none))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no tokens");
    assertThatThrownBy(() -> generator.generate(new int[] {512}, params, none))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("token id 512");
    assertThatThrownBy(() -> generator.generate(new int[] {-1}, params, none))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("token id -1");
    assertThatThrownBy(() -> generator.generate(new int[513], params, none))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("context of 512");
  }
}
