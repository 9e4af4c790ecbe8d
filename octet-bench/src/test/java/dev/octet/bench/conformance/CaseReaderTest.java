package dev.octet.bench.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class CaseReaderTest {
  @TempDir private Path dir;
  private CaseFiles files;

  @BeforeEach
  void files() {
    files = new CaseFiles(dir);
  }

  private ConformanceCase read(String json) {
    return CaseReader.read(files.describe("c", json));
  }

  @Test
  void aModelCaseIsReadWithItsLimitsAndAlternatives() {
    ModelCase c =
        (ModelCase)
            read(
                """
                {"kind": "model", "model_dir": "model", "expected": "e.safetensors",
                 "tolerance": {"logits": {"max_rel_l1": 0.002, "basis": "measured"},
                               "rowdot": {"max_abs_over_sum_abs": 2e-6}},
                 "alternatives": [{"key": "logits.x", "accepted": true, "max_rel_l1": 0.06}],
                 "stored_whole": ["a.b"], "rowdot": null}
                """);
    assertThat(c.id()).isEqualTo("c");
    assertThat(c.model()).isEqualTo(dir.resolve("c/model").toAbsolutePath());
    double none = Double.POSITIVE_INFINITY;
    assertThat(c.tolerances())
        .containsEntry("logits", new Tolerance(0.002, none, none, none))
        .containsEntry("rowdot", new Tolerance(none, none, none, 2e-6));
    assertThat(c.alternatives()).containsExactly(new ModelCase.Alternative("logits.x", true, 0.06));
    assertThat(c.storedWhole()).containsExactly("a.b");
    assertThat(c.rowDots()).isFalse();
  }

  @Test
  void anUnknownKindOrFieldMakesAnUnknownCase() {
    assertThat(read("{\"kind\": \"sampler\"}")).isInstanceOf(UnknownCase.class);
    assertThat(read("{\"kind\": \"malformed\", \"open\": \"x\", \"times\": 2}"))
        .isInstanceOfSatisfying(UnknownCase.class, u -> assertThat(u.reason()).contains("times"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"../x", "/etc/passwd", ".", "a/../../x"})
  void aPathThatLeavesTheCaseIsRefused(String path) {
    assertThatThrownBy(() -> read("{\"kind\": \"malformed\", \"open\": \"" + path + "\"}"))
        .isInstanceOf(CaseException.class)
        .hasMessageContaining("'open'");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[]",
        "{",
        "{}",
        "{\"kind\": 3}",
        "{\"kind\": \"codec\"}",
        "{\"kind\": \"model\", \"model_dir\": \"m\", \"expected\": \"e\", \"tolerance\": {}}",
        "{\"kind\": \"model\", \"model_dir\": \"m\", \"expected\": \"e\","
            + " \"tolerance\": {\"logits\": {\"max_rel_l1\": -1}}}"
      })
  void aDamagedDescriptionIsAnErrorThatNamesTheFile(String json) {
    assertThatThrownBy(() -> read(json))
        .isInstanceOf(CaseException.class)
        .hasMessageContaining("case.json");
  }

  @Test
  void casesAreFoundByDirectoryManifestAndGlob() {
    files.describe("b1", "{}");
    files.describe("a2", "{}");
    assertThat(names(List.of(dir), List.of())).containsExactly("a2", "b1");
    assertThat(names(List.of(dir.resolve("b1")), List.of())).containsExactly("b1");
    assertThat(names(List.of(dir), List.of("b*"))).containsExactly("b1");
    files.write("manifest.json", "{\"cases\": [{\"id\": \"b1\"}, {\"id\": \"ghost\"}]}");
    assertThat(names(List.of(dir), List.of())).containsExactly("b1", "ghost");
  }

  @Test
  void aPathWithoutCasesIsRefused() {
    assertThatThrownBy(() -> CaseFinder.find(List.of(dir), List.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(dir.toString());
    assertThatThrownBy(() -> CaseFinder.find(List.of(dir.resolve("no")), List.of()))
        .hasMessageContaining("no such");
    files.describe("a", "{}");
    assertThatThrownBy(() -> CaseFinder.find(List.of(dir), List.of("x*")))
        .hasMessageContaining("x*");
    files.write("manifest.json", "{\"cases\": [{\"id\": \"../a\"}]}");
    assertThatThrownBy(() -> CaseFinder.find(List.of(dir), List.of()))
        .hasMessageContaining("'../a'");
  }

  private static List<String> names(List<Path> paths, List<String> globs) {
    return CaseFinder.find(paths, globs).stream().map(p -> p.getFileName().toString()).toList();
  }
}
