package dev.octet.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TrainArgumentsTest {
  @TempDir Path directory;
  private Path text;

  @BeforeEach
  void writeText() throws IOException {
    text = Files.writeString(directory.resolve("tales.txt"), "Once upon a time.");
  }

  private TrainOptions parse(String... more) {
    Map<String, List<String>> arguments = new HashMap<>();
    arguments.put("text", List.of(text + "@3"));
    arguments.put("out", List.of(directory.resolve("model").toString()));
    for (int i = 0; i < more.length; i += 2) {
      arguments.put(more[i], List.of(more[i + 1]));
    }
    return TrainArguments.parse(arguments);
  }

  @Test
  void theDefaultsMakeAModelOfFiveMillionParameters() {
    TrainOptions options = parse();
    assertThat(options.shape().parameters()).isEqualTo(4_983_552);
    assertThat(options.text()).containsExactly(new TextSource(text, 3));
    assertThat(options.compute()).isEqualTo(ComputeType.F32);
    assertThat(options.resume()).isFalse();
  }

  @Test
  void tokensAreTurnedIntoWholeSteps() {
    assertThat(parse("tokens", "10000", "batch", "2", "context", "512").steps()).isEqualTo(10);
  }

  @Test
  void theLearningRateRisesThenFallsToATwentieth() {
    TrainOptions options = parse("steps", "1000", "warmup", "100", "lr", "0.001");
    assertThat(options.learningRate(50)).isCloseTo(0.0005, within(1e-9));
    assertThat(options.learningRate(100)).isCloseTo(0.001, within(1e-9));
    assertThat(options.learningRate(550)).isCloseTo(0.000525, within(1e-9));
    assertThat(options.learningRate(1000)).isCloseTo(0.00005, within(1e-9));
  }

  @ParameterizedTest
  @CsvSource({
    "hidden, 250, --hidden (250) must be a multiple of --heads",
    "heads, 3, must be a multiple of --heads (3)",
    "kv-heads, 3, must be a multiple of kv heads (3)",
    "vocab-size, 100, --vocab-size must be at least 258",
    "layers, 0, layers must lie between 1 and",
    "steps, 0, --steps must be at least 1",
    "steps, many, --steps: 'many' is not a value it takes",
    "dtype, f8, --dtype: 'f8' is not a value it takes",
    "lr, -1, --lr must lie above 0",
    "lr, NaN, --lr must lie above 0",
    "micro-batch, 3, --micro-batch (3) must divide --batch (8)",
    "tokens, 99999999999999999999, is not a value it takes",
    "tokens, 0, --tokens must be at least 1",
    "colour, red, --colour is no option of train",
    "text, /no/such/file, is no file that can be read"
  })
  void aWrongValueIsRefusedNamingItsOption(String name, String value, String message) {
    assertThatThrownBy(() -> parse(name, value))
        .isInstanceOf(TrainException.class)
        .hasMessageContaining(message);
  }

  @Test
  void weightsMustBePositiveNumbers() {
    assertThatThrownBy(() -> TextSource.parse("a.txt@0")).hasMessageContaining("weight");
    assertThatThrownBy(() -> TextSource.parse("a.txt@NaN")).hasMessageContaining("weight");
    assertThat(TextSource.parse("me@home.txt"))
        .isEqualTo(new TextSource(Path.of("me@home.txt"), 1));
  }
}
