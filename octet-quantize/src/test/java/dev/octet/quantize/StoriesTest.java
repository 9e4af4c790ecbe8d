package dev.octet.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.checkpoint.WeightSource;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvType;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.RoundToNearest;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleRule;
import dev.octet.tensor.Tensor;
import dev.octet.tensor.WeightType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The real model's published mean NLL, unquantized and quantized. */
class StoriesTest {
  private static final int STREAM = 512;

  @TempDir private Path dir;
  private Path model = Path.of("");

  @BeforeEach
  void find() {
    model = Shared.path("models/stories260K");
  }

  /** The published figures use the textbook scale throughout. */
  private record Textbook(WeightSource source, QuantScheme scheme) implements ForwardingSource {
    @Override
    public LinearWeights linear(String module) {
      LinearWeights layer = source.linear(module);
      return layer.weight() instanceof DenseWeight dense
          ? new LinearWeights(
              RoundToNearest.quantize(dense.values(), scheme, ScaleRule.TEXTBOOK, Arena.ofAuto()),
              layer.bias(),
              scheme.activation())
          : layer;
    }
  }

  private static QuantScheme weightOnly(WeightType type, int group) {
    return new QuantScheme(
        "test",
        type,
        group == 0 ? ScaleGranularity.CHANNEL : ScaleGranularity.GROUP,
        group,
        true,
        new ActivationQuant.None());
  }

  private int[] streams() {
    try (SafetensorsFile file = SafetensorsFile.open(model.resolve("expected.safetensors"))) {
      Tensor ids = file.tensor("nll_stream_ids");
      int[] all = new int[(int) ids.size()];
      for (int i = 0; i < all.length; i++) {
        all[i] = (int) ids.getLong(i);
      }
      return all;
    }
  }

  private PerplexityResult measure(WeightSource source, PerplexityOptions options) {
    try (Kernels kernels = Providers.create("vector", 2);
        CausalLm lm = CausalLm.load(source, kernels, RunOptions.exact())) {
      return Perplexity.measure(lm, streams(), options, Progress.NONE);
    }
  }

  private double nll(WeightSource source) {
    PerplexityResult result = measure(source, PerplexityOptions.fixed(STREAM, -1));
    assertThat(result.tokens()).isEqualTo(4 * (STREAM - 1));
    assertThat(result.windows()).isEqualTo(4);
    return result.meanNll();
  }

  @Test
  void unquantizedItHasThePublishedMeanNll() {
    try (Checkpoint stories = Checkpoints.open(model)) {
      assertThat(nll(stories)).isCloseTo(1.374050, within(5e-5));
    }
  }

  @ParameterizedTest
  @CsvSource({"INT8, 0, 1.375304", "INT4, 4, 1.406675", "INT4, 0, 1.564524"})
  void weightOnlyRoundingReachesThePublishedMeanNll(WeightType type, int group, double want) {
    try (Checkpoint stories = Checkpoints.open(model)) {
      assertThat(nll(new Textbook(stories, weightOnly(type, group)))).isCloseTo(want, within(1e-3));
    }
  }

  @Test
  void dynamicActivationsStayNearTheWeightOnlyFigure() {
    try (Checkpoint stories = Checkpoints.open(model)) {
      double nll = nll(new QuantizedSource(stories, QuantizeOptions.of(QuantScheme.W8A8)));
      assertThat(nll).isCloseTo(1.375304, within(0.02));
    }
  }

  @ParameterizedTest
  @CsvSource({"4, 1.3965", "16, 1.4663", "32, 1.4921", "64, 1.5077", "0, 1.5237"})
  void theDefaultInt4RuleBeatsTheTextbookByWhatItsCommentSays(int group, double want) {
    try (Checkpoint stories = Checkpoints.open(model)) {
      QuantScheme scheme = weightOnly(WeightType.INT4, group);
      double nll = nll(new QuantizedSource(stories, QuantizeOptions.of(scheme)));
      assertThat(nll).isCloseTo(want, within(2e-3));
      assertThat(nll).isLessThan(nll(new Textbook(stories, scheme)) - 5e-3);
    }
  }

  @Test
  void slidingWindowsScoreEveryTokenOnceAndFindItEasier() {
    try (Checkpoint stories = Checkpoints.open(model)) {
      PerplexityResult fixed = measure(stories, PerplexityOptions.fixed(64, -1));
      PerplexityResult sliding = measure(stories, new PerplexityOptions(64, 16, 0, -1));
      assertThat(fixed.tokens()).isEqualTo(4 * STREAM - 4 * STREAM / 64);
      assertThat(sliding.tokens()).isEqualTo(4 * STREAM - 1);
      assertThat(sliding.meanNll()).isLessThan(fixed.meanNll());
    }
  }

  @Test
  void aQuantizedCheckpointComputesWhatQuantizingAtLoadDoes() throws IOException {
    Path out = dir.resolve("out");
    for (String name : List.of("w8a8", "w4a16", "w4a16-asym", "fp8", "fp8-dynamic", "w4a8")) {
      QuantScheme scheme = QuantScheme.of(name);
      scheme = scheme.granularity() == ScaleGranularity.GROUP ? scheme.withGroup(4) : scheme;
      QuantizeOptions options = QuantizeOptions.of(scheme);
      List<String> heard = new ArrayList<>();
      var outcome =
          CheckpointQuantizer.run(
              model, out, options, true, false, (done, total, what) -> heard.add(what));
      assertThat(outcome.notices()).isEmpty();
      assertThat(outcome.quantizedLayers()).isEqualTo(35);
      assertThat(outcome.writtenBytes()).isLessThan(outcome.modelBytes());
      assertThat(heard).hasSize(35 + 12).contains("model.layers.4.mlp.down_proj");
      try (Checkpoint source = Checkpoints.open(model);
          Checkpoint written = Checkpoints.open(out)) {
        double atLoad = nll(new QuantizedSource(source, options));
        assertThat(nll(written)).as(name).isCloseTo(atLoad, within(1e-9));
      }
    }
    assertThat(out.resolve("tokenizer.json")).exists();
    try (Stream<Path> left = Files.list(dir)) {
      assertThat(left).containsExactly(out);
    }
  }

  @Test
  void aQuantizedOutputLayerIsAMatrixOfItsOwnAndComputesWhatQuantizingAtLoadDoes() {
    Path out = dir.resolve("out");
    for (WriteFormat format : List.of(WriteFormat.COMPRESSED_TENSORS, WriteFormat.GPTQ)) {
      boolean gptq = format == WriteFormat.GPTQ; // packs outputs: 172 fill no words of eight
      QuantScheme body = gptq ? QuantScheme.W8A16 : QuantScheme.W4A16.withGroup(4);
      QuantScheme head = gptq ? QuantScheme.W4A16.withGroup(32) : QuantScheme.W8A16;
      QuantizeOptions options = QuantizeOptions.of(body).withHead(head);
      WriteOptions write = WriteOptions.of(true, false, "").as(format);
      var outcome =
          CheckpointQuantizer.run(
              model, out, null, options, WeightRounding.NEAREST, write, Progress.NONE);
      assertThat(outcome.quantizedLayers()).isEqualTo(36);
      try (Checkpoint source = Checkpoints.open(model);
          Checkpoint written = Checkpoints.open(out)) {
        assertThat(source.config().tiedEmbeddings()).isTrue();
        assertThat(written.config().tiedEmbeddings()).isFalse();
        assertThat(written.tensors()).doesNotContainKey("lm_head.weight");
        assertThat(written.lmHead().weight().label())
            .isEqualTo(new QuantizedSource(source, options).lmHead().weight().label());
        assertThat(written.embedding().label()).isEqualTo(source.embedding().label());
        double atLoad = nll(new QuantizedSource(source, options));
        assertThat(nll(written)).as("%s, %s", head, format).isCloseTo(atLoad, within(1e-9));
      }
    }
  }

  @Test
  void aFormatWithoutAPlaceForTheOutputLayerRefusesIt() {
    QuantizeOptions options =
        QuantizeOptions.of(QuantScheme.W4A16_ASYM).withHead(QuantScheme.W8A16);
    for (WriteFormat format : List.of(WriteFormat.AWQ, WriteFormat.FP8, WriteFormat.ASCEND)) {
      WriteOptions write = WriteOptions.of(false, false, "").as(format);
      Path out = dir.resolve("none");
      assertThatThrownBy(
              () ->
                  CheckpointQuantizer.run(
                      model, out, null, options, WeightRounding.NEAREST, write, Progress.NONE))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContainingAll("lm_head", format.label(), "choose compressed-tensors or gptq");
      assertThat(dir).isEmptyDirectory();
    }
    assertThatThrownBy(
            () ->
                QuantizeOptions.of(QuantScheme.W8A8)
                    .ignoring(List.of("*_head"))
                    .withHead(QuantScheme.W8A16))
        .hasMessage("lm_head is to be w8a16 and ignored (*_head)");
  }

  @Test
  void groupsThatDoNotDivideAreMadeSmallerWithANotice() {
    Path out = dir.resolve("out");
    var outcome =
        CheckpointQuantizer.run(
            model, out, QuantizeOptions.of(QuantScheme.W4A16), false, false, Progress.NONE);
    assertThat(outcome.notices())
        .containsExactly(
            "groups of 128 do not divide 172 input features: one scale a row there",
            "groups of 128 do not divide 64 input features: groups of 64 there");
    try (Checkpoint written = Checkpoints.open(out)) {
      assertThat(nll(written)).isBetween(1.47, 1.54);
    }
  }

  @Test
  void whatIsQuantizedIsNotQuantizedAgain() {
    Path out = dir.resolve("out");
    QuantizeOptions options = QuantizeOptions.of(QuantScheme.W8A8);
    CheckpointQuantizer.run(model, out, options, false, false, Progress.NONE);
    assertThatThrownBy(
            () ->
                CheckpointQuantizer.run(
                    out, dir.resolve("b"), options, false, false, Progress.NONE))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("quantized already");
    assertThatThrownBy(
            () -> CheckpointQuantizer.run(model, out, options, false, false, Progress.NONE))
        .hasMessageContaining("--force");
    assertThatThrownBy(
            () -> CheckpointQuantizer.run(model, model, options, true, false, Progress.NONE))
        .hasMessageContaining("is the source");
    try (Checkpoint written = Checkpoints.open(out)) {
      QuantizedSource again = new QuantizedSource(written, options);
      assertThatThrownBy(() -> again.linear("model.layers.0.mlp.up_proj"))
          .hasMessageContaining("model.layers.0.mlp.up_proj is quantized already (int8 channel)");
    }
  }

  @Test
  void aWeightThatDoesNotQuantizeLeavesNothingBehind() throws IOException {
    Path broken = Files.createDirectories(dir.resolve("broken"));
    try (SafetensorsFile good = SafetensorsFile.open(model.resolve("model.safetensors"))) {
      Map<String, Tensor> tensors = new TreeMap<>(good.tensors());
      String name = "model.layers.3.mlp.up_proj.weight";
      Tensor bad = good.tensor(name).to(DType.F32, Arena.ofAuto());
      bad.setFloat(65, Float.NaN);
      tensors.put(name, bad);
      SafetensorsWriter.write(broken.resolve("model.safetensors"), tensors);
    }
    Files.copy(model.resolve("config.json"), broken.resolve("config.json"));
    QuantizeOptions options = QuantizeOptions.of(QuantScheme.W8A8);
    Path out = dir.resolve("out");
    assertThatThrownBy(
            () -> CheckpointQuantizer.run(broken, out, options, false, false, Progress.NONE))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("model.layers.3.mlp.up_proj: element [1, 1] is NaN");
    try (Stream<Path> left = Files.list(dir)) {
      assertThat(left).containsExactly(broken);
    }
  }

  @Test
  void anInterruptedRunIsResumed() {
    Path out = dir.resolve("out");
    QuantizeOptions options = QuantizeOptions.of(QuantScheme.W8A8);
    Progress interrupt =
        (done, total, what) -> {
          if (done == 30) {
            throw new IllegalStateException("power cut");
          }
        };
    assertThatThrownBy(() -> CheckpointQuantizer.run(model, out, options, false, false, interrupt))
        .hasMessage("power cut");
    assertThat(out).doesNotExist();
    CheckpointQuantizer.run(model, out, options, false, true, Progress.NONE);
    try (Checkpoint source = Checkpoints.open(model);
        Checkpoint written = Checkpoints.open(out)) {
      double atLoad = nll(new QuantizedSource(source, options));
      assertThat(nll(written)).isCloseTo(atLoad, within(1e-9));
    }
    assertThat(dir.resolve("out.partial")).doesNotExist();
  }

  @Test
  void theCacheIsAsLargeAsEstimated() {
    int tokens = 130;
    try (Checkpoint checkpoint = Checkpoints.open(model);
        Kernels kernels = Providers.create("auto", 1)) {
      ModelConfig config = checkpoint.config();
      for (KvType type : KvType.values()) {
        for (AttentionKind kind : AttentionKind.values()) {
          try (CausalLm lm = CausalLm.load(checkpoint, kernels, new RunOptions(kind, type));
              KvCache cache = lm.newCache()) {
            lm.forward(new int[tokens], cache, true);
            // Means of keys come on top: one F32 a channel, of the cache and of codes beside it.
            long means = 2L * config.layers() * config.kvHeads() * config.headDim() * Float.BYTES;
            assertThat(cache.byteSize() - MemoryEstimate.kvBytes(config, tokens, type, kind))
                .as("%s over %s", kind.label(), type.label())
                .isBetween(0L, means);
          }
        }
      }
    }
  }
}
