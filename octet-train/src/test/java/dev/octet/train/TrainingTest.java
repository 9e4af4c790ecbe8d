package dev.octet.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.checkpoint.FolderLock;
import dev.octet.checkpoint.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Short runs of a tiny model from end to end. */
class TrainingTest {
  private static final LlamaShape TINY =
      new LlamaShape(300, 64, 2, 4, 2, 16, 128, 32, 10_000, 1e-5, true);

  @TempDir Path directory;
  private Path text;

  @BeforeEach
  void writeText() throws IOException {
    text =
        Files.writeString(
            directory.resolve("tales.txt"),
            "The fox ran up the hill. The owl sat on the tree. The fox saw the owl.\n".repeat(40));
  }

  private static final RunKey RUN = new RunKey(1, 1, 0);

  private TrainOptions options(String out, int steps, boolean resume) {
    return options(out, steps, resume, 3e-3);
  }

  private TrainOptions options(String out, int steps, boolean resume, double rate) {
    List<TextSource> sources = List.of(new TextSource(text, 1));
    return new TrainOptions(
        sources,
        sources,
        directory.resolve(out),
        null,
        TINY,
        steps,
        4,
        2,
        rate,
        5,
        0.1,
        1.0,
        7,
        ComputeType.F32,
        3600,
        20,
        resume,
        2);
  }

  /** Remembers what a run says. */
  private static final class Recorder implements TrainListener {
    final List<Double> losses = new ArrayList<>();
    final List<Double> validation = new ArrayList<>();

    @Override
    public void note(String line) {
      assertThat(line).isNotBlank();
    }

    @Override
    public void progress(Progress progress) {
      assertThat(progress.line()).contains("step " + progress.step() + "/");
      losses.add(progress.loss());
    }

    @Override
    public void validated(long step, double loss) {
      validation.add(loss);
    }
  }

  private float[] weights(String out) {
    try (SafetensorsFile file =
        SafetensorsFile.open(directory.resolve(out).resolve("model.safetensors"))) {
      return file.tensor("model.layers.1.mlp.down_proj.weight").toFloats();
    }
  }

  @Test
  void theLossStartsAtChanceAndFalls() {
    Recorder recorder = new Recorder();
    Training.run(options("model", 60, false), recorder, () -> false);
    assertThat(recorder.losses.getFirst()).isCloseTo(Math.log(300), within(0.35));
    assertThat(recorder.losses.getLast()).isLessThan(2.0);
    assertThat(recorder.validation).hasSize(3);
    assertThat(recorder.validation.getLast()).isLessThan(2.0);
    assertThat(directory.resolve("model/config.json")).content().contains("LlamaForCausalLM");
    assertThat(directory.resolve("model/training/loss.svg")).content().startsWith("<svg");
    assertThat(directory.resolve("model"))
        .isDirectoryContaining("glob:**/tokenizer_config.json")
        .isDirectoryContaining("glob:**/generation_config.json")
        .isDirectoryNotContaining("glob:**/*.tmp");
  }

  @Test
  void aResumedRunEndsWithTheWeightsOfAnUninterruptedOne() {
    Training.run(options("whole", 12, false), new Recorder(), () -> false);
    AtomicInteger asked = new AtomicInteger();
    Training.run(options("parts", 12, false), new Recorder(), () -> asked.getAndIncrement() == 5);
    float[] halfway = weights("parts");
    Recorder rest = new Recorder();
    Training.run(options("parts", 12, true), rest, () -> false);
    assertThat(rest.losses).hasSize(7);
    assertThat(weights("parts")).isEqualTo(weights("whole"));
    assertThat(Arrays.equals(halfway, weights("parts"))).isFalse();
  }

  @Test
  void aStateOfOtherOptionsIsRefused() {
    Training.run(options("model", 2, false), new Recorder(), () -> false);
    TrainOptions faster = options("model", 3, true, 0.02);
    assertThatThrownBy(() -> Training.run(faster, new Recorder(), () -> false))
        .isInstanceOf(TrainException.class)
        .hasMessageContaining("other options");
  }

  @Test
  void twoRunsDoNotWriteToOneDirectory() throws IOException {
    Training.run(options("model", 2, false), new Recorder(), () -> false);
    float[] before = weights("model");
    Path folder = directory.resolve("model").resolve(Trainer.DIRECTORY);
    try (FolderLock other = FolderLock.take(folder)) {
      assertThat(other).isNotNull();
      TrainOptions second = options("model", 3, true);
      assertThatThrownBy(() -> Training.run(second, new Recorder(), () -> false))
          .isInstanceOf(TrainException.class)
          .hasMessageContaining("another run");
    }
    assertThat(weights("model")).isEqualTo(before);
  }

  @Test
  void aRunThatIsNotFinishedKeepsItsSteps() {
    int[] updates = {0};
    Training.run(options("model", 8, false), new Recorder(), () -> updates[0]++ == 3);
    for (int steps : new int[] {2, 6, 12}) {
      assertThatThrownBy(
              () -> Training.run(options("model", steps, true), new Recorder(), () -> false))
          .isInstanceOf(TrainException.class)
          .hasMessageContaining("at step 3 of a run with --steps 8 --warmup 5");
    }
    assertThat(directory.resolve("model/training/octet.lock")).doesNotExist();
    Recorder rest = new Recorder();
    Training.run(options("model", 8, true), rest, () -> false);
    assertThat(rest.losses).hasSize(5);
    assertThatThrownBy(() -> Training.run(options("model", 4, true), new Recorder(), () -> false))
        .isInstanceOf(TrainException.class)
        .hasMessageContaining("or with more steps");
  }

  @Test
  void aFinishedRunGoesOnToMoreSteps() {
    Training.run(options("model", 2, false), new Recorder(), () -> false);
    float[] before = weights("model");
    Recorder more = new Recorder();
    Training.run(options("model", 5, true), more, () -> false);
    assertThat(more.losses).hasSize(3);
    assertThat(Arrays.equals(weights("model"), before)).isFalse();
  }

  @Test
  void aStateOfOtherTextIsRefused() throws IOException {
    Training.run(options("model", 2, false), new Recorder(), () -> false);
    Files.writeString(text, Files.readString(text).replace("saw the owl", "saw the fox"));
    assertThatThrownBy(() -> Training.run(options("model", 2, true), new Recorder(), () -> false))
        .isInstanceOf(TrainException.class)
        .hasMessageContaining("text");
  }

  @Test
  void aRunThatIsThereIsNotOverwritten() {
    Training.run(options("model", 2, false), new Recorder(), () -> false);
    float[] before = weights("model");
    assertThatThrownBy(() -> Training.run(options("model", 2, false), new Recorder(), () -> false))
        .isInstanceOf(TrainException.class)
        .hasMessageContaining("--resume");
    assertThat(weights("model")).isEqualTo(before);
  }

  @Test
  void aRunThatCannotBeginLeavesNothingBehind() throws IOException {
    assertThatThrownBy(() -> Training.run(options("model", 2, true), new Recorder(), () -> false))
        .isInstanceOf(TrainException.class)
        .hasMessageContaining("nothing to resume");
    for (String bad : List.of("", "too short")) {
      Files.writeString(text, bad);
      assertThatThrownBy(
              () -> Training.run(options("model", 2, false), new Recorder(), () -> false))
          .isInstanceOf(TrainException.class)
          .hasMessageContaining("tales.txt");
    }
    assertThat(directory.resolve("model")).doesNotExist();
  }

  @Test
  void aStateThatCannotBeWrittenLeavesNoHalfOfIt() throws IOException {
    Path state = directory.resolve("train.state");
    Files.createDirectories(state.resolve("in the way"));
    try (LlamaModule model = new LlamaModule(TINY, ComputeType.F32);
        AdamW optimizer = new AdamW(model.parameters(), 0.9, 0.95, 1e-8, 0.1)) {
      assertThatThrownBy(() -> TrainState.save(state, RUN, 1, model.parameters(), optimizer))
          .isInstanceOf(TrainException.class)
          .hasMessageContaining("train.state");
    }
    assertThat(directory).isDirectoryNotContaining("glob:**/*.tmp");
  }

  @Test
  void aDeviceIsNotReplacedByAFile() throws IOException {
    assumeTrue(Files.exists(Path.of("/dev/null")));
    Path link = Files.createSymbolicLink(directory.resolve("train.state"), Path.of("/dev/null"));
    try (LlamaModule model = new LlamaModule(TINY, ComputeType.F32);
        AdamW optimizer = new AdamW(model.parameters(), 0.9, 0.95, 1e-8, 0.1)) {
      assertThatThrownBy(() -> TrainState.save(link, RUN, 1, model.parameters(), optimizer))
          .isInstanceOf(TrainException.class)
          .hasMessageContaining("what has this name is no plain file");
    }
    assertThat(link).isSymbolicLink();
    assertThat(directory).isDirectoryNotContaining("glob:**/*.tmp");
  }

  @Test
  void theLossLogIsReadableWhateverTheLocale() {
    Locale before = Locale.getDefault();
    Locale.setDefault(Locale.GERMANY);
    try {
      Training.run(options("model", 2, false), new Recorder(), () -> false);
    } finally {
      Locale.setDefault(before);
    }
    Path log = directory.resolve("model/training/loss.jsonl");
    assertThat(LossLog.read(log)).filteredOn(e -> !e.validation()).hasSize(2);
    assertThat(log).content().contains("\"lr\":6.0000e-04,");
  }

  @Test
  void aStateCutShortIsRefused() throws IOException {
    Training.run(options("model", 2, false), new Recorder(), () -> false);
    Path state = directory.resolve("model/training/train.state");
    byte[] bytes = Files.readAllBytes(state);
    Files.write(state, Arrays.copyOf(bytes, bytes.length - 4));
    assertThatThrownBy(() -> Training.run(options("model", 2, true), new Recorder(), () -> false))
        .isInstanceOf(TrainException.class)
        .hasMessageContaining("train.state");
  }

  @Test
  void bf16LinearLayersLearnTooAndStayNearF32() {
    LlamaShape shape = TINY;
    try (LlamaModule f32 = new LlamaModule(shape, ComputeType.F32);
        LlamaModule bf16 = new LlamaModule(shape, ComputeType.BF16, f32.parameters().replica())) {
      f32.parameters().initialize(shape, 3);
      float[][] exact = f32.logits(new int[] {1, 2, 3, 4, 5});
      float[][] rounded = bf16.logits(new int[] {1, 2, 3, 4, 5});
      double worst = 0;
      for (int t = 0; t < exact.length; t++) {
        for (int i = 0; i < exact[t].length; i++) {
          worst = Math.max(worst, Math.abs(exact[t][i] - rounded[t][i]));
        }
      }
      assertThat(worst).isPositive().isLessThan(0.02);
    }
  }
}
