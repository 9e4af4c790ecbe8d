package dev.octet.benchpeers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.bench.peer.ModelTask;
import dev.octet.bench.peer.Precision;
import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The same GGUF file computed by llama.cpp and by Octet; runs where llama.cpp has been fetched. */
class LlamaCppParityTest {
  private static final int[] PROMPT = {1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377};

  @TempDir Path scratch;

  /** llama.cpp rounds x to the weights' partner type: BF16, or INT8 in blocks of 32 or 256. */
  @ParameterizedTest
  @CsvSource({"BF16,0.02", "INT8,0.05", "INT4,0.05"})
  void llamaCppAndOctetAgreeOnTheLogits(Precision weights, double limit) throws IOException {
    Path folder = LlamaCpp.folder();
    Assumptions.assumeTrue(Files.isDirectory(folder), folder + " is not there");
    Path file = scratch.resolve("model.gguf");
    LlamaGguf.of(GgufWriterTest.small(), LlamaGguf.type(weights)).write(file);
    float[] theirs = theirs(folder, file, weights);
    float[] ours = ours(file);
    double error = 0;
    double total = 0;
    for (int i = 0; i < ours.length; i++) {
      error += Math.abs(theirs[i] - ours[i]);
      total += Math.abs(ours[i]);
    }
    assertThat(theirs).hasSameSizeAs(ours);
    assertThat(error / total).isLessThan(limit);
  }

  private static float[] theirs(Path folder, Path file, Precision weights) throws IOException {
    LlamaCppLibrary library = new LlamaCppLibrary(folder);
    LlamaCppWeights loaded = new LlamaCppWeights(library, file, "file", 0);
    ModelTask task = new ModelTask(GgufWriterTest.small(), weights, 64, 16);
    try (LlamaCppModel model = new LlamaCppModel(library, task, loaded, 2, false)) {
      model.forward(PROMPT);
      model.forward(new int[] {7});
      return model.logits();
    } finally {
      loaded.release();
    }
  }

  private static float[] ours(Path file) {
    try (Checkpoint checkpoint = Checkpoints.open(file);
        Kernels kernels = Providers.create("reference", 1);
        CausalLm model = CausalLm.load(checkpoint, kernels, RunOptions.of("f32", "f32"));
        KvCache cache = model.newCache()) {
      model.forward(PROMPT, cache, true);
      return model.forward(new int[] {7}, cache, true).toFloats();
    }
  }
}
