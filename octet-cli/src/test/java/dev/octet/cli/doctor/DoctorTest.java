package dev.octet.cli.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.kernels.Providers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DoctorTest {
  @TempDir private Path dir;

  private Doctor doctor(Map<String, String> environment) {
    return new Doctor("25.0.3", environment, dir, false);
  }

  private static Finding find(List<Finding> findings, String check) {
    return findings.stream().filter(f -> f.check().equals(check)).findFirst().orElseThrow();
  }

  @Test
  void aJdkBelowTheFloorIsMissingAndSaysWhatWouldDo() {
    Finding old = doctor(Map.of()).jdk(Runtime.Version.parse("25.0.2+10"));
    assertThat(old.level()).isEqualTo(Finding.Level.MISSING);
    assertThat(old.advice()).contains("25.0.3");
    assertThat(doctor(Map.of()).jdk(Runtime.Version.parse("25.0.3+9")).level())
        .isEqualTo(Finding.Level.OK);
    assertThat(doctor(Map.of()).jdk(Runtime.Version.parse("26")).level())
        .isEqualTo(Finding.Level.OK);
  }

  @Test
  void theChosenKernelsAreNamed() {
    List<Finding> findings = doctor(Map.of()).examine();
    String fastest = Providers.list().getFirst().available() ? "cpu" : "vector";
    assertThat(find(findings, "kernels chosen").value()).startsWith(fastest + " (");
    assertThat(find(findings, "kernels: reference").level()).isEqualTo(Finding.Level.OK);
    assertThat(findings).noneMatch(f -> f.level() == Finding.Level.MISSING);
  }

  @Test
  void everythingThatIsNotThereComesWithAdvice() {
    assertThat(doctor(Map.of("PATH", "")).examine())
        .filteredOn(f -> f.level() != Finding.Level.OK)
        .isNotEmpty()
        .allSatisfy(f -> assertThat(f.advice()).isNotEmpty());
  }

  @Test
  void aCompilerIsFoundOnThePathOrByCc() throws IOException {
    Path compiler = dir.resolve("mycc");
    Files.writeString(compiler, "#!/bin/sh\necho mycc 1.2\n");
    if (!compiler.toFile().setExecutable(true)) {
      return;
    }
    Finding found =
        find(doctor(Map.of("PATH", dir.toString(), "CC", "mycc")).examine(), "C compiler");
    assertThat(found.value()).isEqualTo(compiler + ": mycc 1.2");
    assertThat(find(doctor(Map.of("PATH", "")).examine(), "C compiler").level())
        .isEqualTo(Finding.Level.OPTIONAL);
  }

  @Test
  void theBundledModelIsFoundByItsConfig() throws IOException {
    assertThat(find(doctor(Map.of()).examine(), "bundled model").level())
        .isEqualTo(Finding.Level.OPTIONAL);
    Path model = Files.createDirectories(dir.resolve("tiny"));
    Files.writeString(model.resolve("config.json"), "{}");
    assertThat(find(doctor(Map.of()).examine(), "bundled model").value())
        .isEqualTo(model.toString());
  }
}
