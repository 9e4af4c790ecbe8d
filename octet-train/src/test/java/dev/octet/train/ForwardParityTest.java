package dev.octet.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import dev.octet.tensor.DType;
import dev.octet.train.bpe.BpeEncoder;
import dev.octet.train.bpe.BpeTrainer;
import dev.octet.train.bpe.BpeVocabulary;
import dev.octet.train.bpe.TokenizerJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.bytedeco.javacpp.FloatPointer;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Octet's forward pass and libtorch's must give the same logits from the same directory. */
class ForwardParityTest {
  private static final double LIMIT = 1e-4;

  @TempDir Path directory;

  @Test
  void anExportedModelGivesLibtorchsLogits() {
    LlamaShape shape = new LlamaShape(300, 128, 3, 4, 2, 32, 192, 80, 10_000, 1e-5, false);
    BpeTrainer trainer = new BpeTrainer();
    trainer.add("the fox and the owl and the hill ".repeat(20));
    BpeVocabulary vocabulary = trainer.train(300);
    LlamaShape actual =
        new LlamaShape(vocabulary.size(), 128, 3, 4, 2, 32, 192, 80, 10_000, 1e-5, false);
    try (LlamaModule module = new LlamaModule(actual, ComputeType.F32)) {
      module.parameters().initialize(shape, 11);
      new ModelWriter(directory, actual, vocabulary).write(module.parameters(), DType.F32);
      int[] ids = random(actual.vocabSize(), 80);
      assertThat(worst(module.logits(ids), octet(directory, ids))).isLessThan(LIMIT);
    }
  }

  @Test
  void theBundledModelGivesLibtorchsLogits() throws IOException {
    Path bundled = bundled();
    BpeVocabulary vocabulary =
        TokenizerJson.read(Files.readString(bundled.resolve("tokenizer.json")));
    String text = Files.readString(bundled.resolveSibling("demo.txt"));
    int[] ids = Arrays.copyOf(new BpeEncoder(vocabulary).encode(text), 200);
    LlamaShape shape =
        new LlamaShape(vocabulary.size(), 256, 5, 4, 2, 64, 768, 512, 10_000, 1e-5, true);
    assertThat(shape.parameters()).isBetween(4_000_000L, 8_000_000L);
    try (LlamaModule module = new LlamaModule(shape, ComputeType.F32);
        SafetensorsFile file = SafetensorsFile.open(bundled.resolve("model.safetensors"))) {
      assertThat(file.tensors().keySet())
          .containsExactlyInAnyOrderElementsOf(module.parameters().slots().keySet());
      FloatPointer values = new FloatPointer(module.parameters().values().data_ptr());
      for (FlatParameters.Slot slot : module.parameters().slots().values()) {
        float[] weights = file.tensor(slot.name()).toFloats();
        values.position(slot.offset()).put(weights, 0, weights.length);
      }
      assertThat(worst(module.logits(ids), octet(bundled, ids))).isLessThan(LIMIT);
    }
  }

  /** Largest absolute difference. */
  private static double worst(float[][] expected, float[] actual) {
    double worst = 0;
    int columns = expected[0].length;
    for (int t = 0; t < expected.length; t++) {
      for (int i = 0; i < columns; i++) {
        double difference = Math.abs((double) expected[t][i] - actual[t * columns + i]);
        worst = Double.isNaN(difference) ? Double.NaN : Math.max(worst, difference);
      }
    }
    return worst;
  }

  private static float[] octet(Path model, int[] ids) {
    try (Checkpoint checkpoint = Checkpoints.open(model);
        Kernels kernels = Providers.create("reference", 2);
        CausalLm lm = CausalLm.load(checkpoint, kernels, RunOptions.exact());
        KvCache cache = lm.newCache()) {
      return lm.forward(ids, cache, false).toFloats();
    }
  }

  private static int[] random(int vocabulary, int length) {
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(5);
    return random.ints(length, 0, vocabulary).toArray();
  }

  private static Path bundled() {
    Path at = Path.of("").toAbsolutePath();
    while (at.getParent() != null && !Files.exists(at.resolve("mvnw"))) {
      at = at.getParent();
    }
    Path model = at.resolve("models/octet-tales-5m");
    Assumptions.assumeTrue(Files.exists(model.resolve("config.json")), "no bundled model");
    return model;
  }
}
