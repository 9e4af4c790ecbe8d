package dev.octet.architecture;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The house's rules, over the compiled classes of every module that has been built. */
class ArchitectureTest {
  /** From the ground up: a module imports only from those before it. */
  private static final List<String> ORDER =
      List.of(
          "tensor",
          "checkpoint",
          "kernels",
          "model",
          "quantize",
          "engine",
          "train",
          "bench",
          "cli",
          "traincli",
          "benchpeers");

  private static final Path ROOT = root();
  private static final JavaClasses CLASSES = new ClassFileImporter().importPaths(outputs());

  private static Path root() {
    Path p = Path.of("").toAbsolutePath();
    while (!Files.exists(p.resolve("mvnw"))) {
      p = p.getParent();
    }
    return p;
  }

  private static List<Path> outputs() {
    try (Stream<Path> modules = Files.list(ROOT)) {
      return modules.map(m -> m.resolve("target/classes")).filter(Files::isDirectory).toList();
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Test
  void theClassesOfTheEngineAreSeen() {
    Set<String> modules =
        CLASSES.stream()
            .map(c -> c.getPackageName().split("\\.", -1))
            .filter(p -> p.length > 2)
            .map(p -> p[2])
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(modules)
        .contains("tensor", "checkpoint", "kernels", "model", "quantize", "engine", "bench", "cli");
    assertThat(ORDER).as("every module has its place in the order").containsAll(modules);
  }

  @TestFactory
  Stream<DynamicTest> aModuleImportsOnlyFromThoseBelowIt() {
    return ORDER.stream()
        .limit(ORDER.size() - 1L)
        .map(
            module ->
                DynamicTest.dynamicTest(
                    module,
                    () ->
                        noClasses()
                            .that()
                            .resideInAPackage("dev.octet." + module + "..")
                            .should()
                            .dependOnClassesThat()
                            .resideInAnyPackage(above(module))
                            .allowEmptyShould(true)
                            .check(CLASSES)));
  }

  private static String[] above(String module) {
    return ORDER.stream()
        .skip(ORDER.indexOf(module) + 1L)
        .map(m -> "dev.octet." + m + "..")
        .toArray(String[]::new);
  }

  @Test
  void trainingKnowsNothingOfTheEngine() {
    noClasses()
        .that()
        .resideInAPackage("dev.octet.train..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "dev.octet.kernels..",
            "dev.octet.model..",
            "dev.octet.quantize..",
            "dev.octet.engine..")
        .allowEmptyShould(true)
        .check(CLASSES);
  }

  @Test
  void peersKnowNothingOfTheCommandLine() {
    noClasses()
        .that()
        .resideInAPackage("dev.octet.benchpeers..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("dev.octet.cli..", "dev.octet.train..", "dev.octet.traincli..")
        .allowEmptyShould(true)
        .check(CLASSES);
  }

  @Test
  void onlyTheCommandLinePrints() {
    noClasses()
        .that()
        .resideOutsideOfPackages("dev.octet.cli..", "dev.octet.traincli..")
        .should()
        .accessField(System.class, "out")
        .orShould()
        .accessField(System.class, "err")
        .check(CLASSES);
  }

  @Test
  void onlyTheCommandLineEndsTheProcess() {
    noClasses()
        .that()
        .doNotHaveFullyQualifiedName("dev.octet.cli.Octet")
        .should()
        .callMethod(System.class, "exit", int.class)
        .check(CLASSES);
  }

  @Test
  void jacksonStaysInsideTheModulesThatParseFiles() {
    noClasses()
        .that()
        .resideInAnyPackage("dev.octet.tensor..", "dev.octet.kernels..", "dev.octet.model..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("tools.jackson..")
        .check(CLASSES);
  }

  @Test
  void everyPackageIsNullMarked() {
    Set<String> unmarked =
        CLASSES.stream()
            .map(JavaClass::getPackage)
            .filter(p -> !p.isAnnotatedWith(NullMarked.class))
            .map(p -> p.getName())
            .filter(name -> name.startsWith("dev.octet"))
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(unmarked).isEmpty();
  }

  @Test
  void theArchitecturePageHasALineForEveryPackage() throws IOException {
    String page = Files.readString(ROOT.resolve("ARCHITECTURE.md"));
    Set<String> packages =
        CLASSES.stream()
            .map(JavaClass::getPackageName)
            .filter(name -> name.startsWith("dev.octet."))
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(packages).allSatisfy(name -> assertThat(page).contains("| `" + name + "` |"));
    for (String line : page.lines().filter(l -> l.startsWith("| `dev.octet.")).toList()) {
      String name = line.substring(3, line.indexOf('`', 3));
      String part = name.split("\\.", -1)[2];
      String module =
          "octet-" + part.replace("traincli", "train-cli").replace("benchpeers", "bench-peers");
      assertThat(ROOT.resolve(module + "/src/main/java/" + name.replace('.', '/')))
          .as(line)
          .isDirectory();
    }
  }

  @Test
  void exceptionsAreUnchecked() {
    classes()
        .that()
        .areAssignableTo(Exception.class)
        .and()
        .resideInAPackage("dev.octet..")
        .should()
        .beAssignableTo(RuntimeException.class)
        .check(CLASSES);
  }
}
