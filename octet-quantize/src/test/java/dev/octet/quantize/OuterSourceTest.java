package dev.octet.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class OuterSourceTest {
  private static final OuterSchemes HEAD = new OuterSchemes(QuantScheme.W8A16, null);
  private static final OuterSchemes BOTH = new OuterSchemes(QuantScheme.W8A8, QuantScheme.W8A16);

  private static Checkpoint stories() {
    return Checkpoints.open(Shared.path("models/stories260K"));
  }

  @Test
  void tiedEmbeddingsStayOneTable() {
    try (Checkpoint checkpoint = stories()) {
      WeightSource source = OuterSource.of(checkpoint, HEAD);
      LinearWeights head = source.lmHead();
      assertThat(head.weight()).isInstanceOf(Int8Weight.class);
      assertThat(source.embedding()).isSameAs(head.weight());
      assertThat(source.linear("lm_head")).isSameAs(head);
      String layer = "model.layers.0.mlp.up_proj";
      assertThat(source.linear(layer)).isEqualTo(checkpoint.linear(layer));
      assertThatThrownBy(() -> OuterSource.of(checkpoint, BOTH))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("tie_word_embeddings");
      assertThat(OuterSource.of(checkpoint, OuterSchemes.NONE)).isSameAs(checkpoint);
    }
  }

  @Test
  void aModelWithATableInInt8TakesWhatIsEstimatedAndPredictsNearlyTheSame() {
    int[] ids = new int[96];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = 3 + i * 37 % 500;
    }
    try (Checkpoint checkpoint = stories()) {
      List<float[]> logits = new ArrayList<>();
      for (String provider : List.of("reference", "vector", "auto")) {
        try (Kernels kernels = Providers.create(provider, 2);
            CausalLm plain = CausalLm.load(checkpoint, kernels, RunOptions.exact());
            CausalLm small =
                CausalLm.load(OuterSource.of(checkpoint, HEAD), kernels, RunOptions.exact());
            KvCache a = plain.newCache();
            KvCache b = small.newCache()) {
          long elements = 512 * 64;
          long table = elements * checkpoint.tensor("model.embed_tokens.weight").dtype().bits() / 8;
          assertThat(plain.weightBytes() - small.weightBytes())
              .as(provider)
              .isEqualTo(table - elements - 512L * Float.BYTES);
          float[] exact = plain.forward(ids, a, false).toFloats();
          float[] got = small.forward(ids, b, false).toFloats();
          double error = 0;
          double size = 0;
          for (int i = 0; i < got.length; i++) {
            error += Math.abs(got[i] - exact[i]);
            size += Math.abs(exact[i]);
          }
          assertThat(error / size).as(provider).isPositive().isLessThan(0.02);
          logits.add(got);
        }
      }
      for (int i = 0; i < logits.getFirst().length; i++) {
        for (float[] other : logits) {
          assertThat(other[i]).isCloseTo(logits.getFirst()[i], within(2e-4f));
        }
      }
    }
  }

  @Test
  void anEmbeddingOfItsOwnIsQuantizedByItself() {
    try (Checkpoint checkpoint =
        Checkpoints.open(Shared.path("conformance/llama_gqa4_f16/model"))) {
      assertThat(checkpoint.config().tiedEmbeddings()).isFalse();
      WeightSource source = OuterSource.of(checkpoint, BOTH);
      assertThat(source.embedding().label()).startsWith("int8");
      assertThat(source.lmHead().activation()).isEqualTo(QuantScheme.W8A8.activation());
      int width = checkpoint.config().hiddenSize();
      float[] exact = new float[width];
      float[] got = new float[width];
      for (int id : new int[] {0, 7, checkpoint.config().vocabSize() - 1}) {
        checkpoint.embedding().dequantizeRow(id, exact);
        source.embedding().dequantizeRow(id, got);
        float largest = 0;
        for (float value : exact) {
          largest = Math.max(largest, Math.abs(value));
        }
        for (int j = 0; j < width; j++) {
          assertThat(got[j]).isCloseTo(exact[j], within(largest / 200));
        }
      }
    }
  }

  @Test
  void whatIsQuantizedAlreadyIsRefused() {
    try (Checkpoint checkpoint =
        Checkpoints.open(Shared.path("conformance/gguf_q4_k/model/model.gguf"))) {
      WeightSource source = OuterSource.of(checkpoint, HEAD);
      assertThatThrownBy(source::lmHead)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("lm_head is quantized already");
    }
  }
}
