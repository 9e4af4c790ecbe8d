package dev.octet.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.octet.checkpoint.RopeScaling;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.LayerRunner.Norm;
import dev.octet.model.LayerRunner.Part;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LayerRunnerTest {
  private static final RopeScaling PLAIN = new RopeScaling.Default();
  private final Kernels kernels = Providers.create("vector", 2);
  private final Arena arena = Arena.ofShared();

  @AfterEach
  void close() {
    kernels.close();
    arena.close();
  }

  private void run(LayerRunner layer, Tensor hidden) {
    Tensor input = layer.attentionInput(hidden, arena);
    layer.addOutput(layer.attend(layer.project(input, arena), arena), hidden);
    layer.addDown(layer.activate(layer.feedForwardInput(hidden, arena), arena), hidden);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theStagesOfAllLayersMakeTheForwardPass(boolean rich) {
    TinyModel source = new TinyModel(rich, PLAIN);
    int[] ids = new SplittableRandom(5).ints(70, 0, 37).toArray();
    Tensor hidden = LayerRunner.embed(source, ids, arena);
    for (int l = 0; l < 2; l++) {
      try (LayerRunner layer = new LayerRunner(source, kernels, l)) {
        run(layer, hidden);
      }
    }
    Tensor logits = Tensor.allocate(arena, DType.F32, ids.length, 37);
    RmsNorm.load(source, "model.norm", 24, arena).apply(kernels, hidden, hidden);
    kernels.linear(source.lmHead(), arena).apply(hidden, logits);

    try (CausalLm model = CausalLm.load(source, kernels, RunOptions.exact());
        KvCache cache = model.newCache()) {
      float[] wanted = model.forward(ids, cache, false).toFloats();
      for (int i = 0; i < wanted.length; i++) {
        assertThat(logits.getFloat(i)).isCloseTo(wanted[i], within(1e-5f));
      }
    }
  }

  @Test
  void whatANormIsDividedByAndItsReadersAreMultipliedByChangesNothing() {
    TinyModel source = new TinyModel(true, PLAIN);
    Tensor hidden = LayerRunner.embed(source, new int[] {3, 1, 4, 1, 5}, arena);
    float[] s = new float[24];
    for (int j = 0; j < 24; j++) {
      s[j] = 0.5f + j;
    }
    try (LayerRunner plain = new LayerRunner(source, kernels, 0);
        LayerRunner smooth = new LayerRunner(source, kernels, 0)) {
      smooth.divide(Norm.ATTENTION, s);
      for (Part part : Arrays.asList(Part.QUERY, Part.KEY, Part.VALUE)) {
        LinearWeights old = source.linear(part.module(0));
        Tensor w = Tensor.allocate(arena, DType.F32, old.weight().rows(), 24);
        for (long i = 0; i < w.size(); i++) {
          w.setFloat(i, ((DenseWeight) old.weight()).values().getFloat(i) * s[(int) (i % 24)]);
        }
        smooth.set(
            part, new LinearWeights(new DenseWeight(w), old.bias(), new ActivationQuant.None()));
      }
      Tensor a = plain.attend(plain.project(plain.attentionInput(hidden, arena), arena), arena);
      Tensor b = smooth.attend(smooth.project(smooth.attentionInput(hidden, arena), arena), arena);
      for (int i = 0; i < a.size(); i++) {
        assertThat(b.getFloat(i)).isCloseTo(a.getFloat(i), within(1e-5f));
      }
    }
  }
}
