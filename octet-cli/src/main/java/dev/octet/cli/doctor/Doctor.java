package dev.octet.cli.doctor;

import dev.octet.cli.output.Human;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.kernels.Providers.ProviderInfo;
import dev.octet.quantize.HostMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Examines everything that Octet needs or can make use of. */
public final class Doctor {
  private static final String GET_JDK =
      "a JDK is at https://adoptium.net/temurin/releases/?version=25";

  private final String jdkFloor;
  private final Map<String, String> environment;
  private final Path models;
  private final boolean train;

  /**
   * @param jdkFloor oldest JDK that is right
   * @param environment the process's
   * @param models where bundled models are
   * @param train whether the training module is there
   */
  public Doctor(String jdkFloor, Map<String, String> environment, Path models, boolean train) {
    this.jdkFloor = jdkFloor;
    this.environment = Map.copyOf(environment);
    this.models = models;
    this.train = train;
  }

  /** All findings, in the order to print. */
  public List<Finding> examine() {
    Cpu cpu = Cpu.detect();
    List<Finding> all = new ArrayList<>();
    all.add(jdk(Runtime.version()));
    all.add(system());
    all.add(Finding.ok("processor", processor(cpu)));
    all.add(instructionSets(cpu));
    all.add(memory());
    all.add(vectorApi());
    all.addAll(providers());
    all.add(compiler());
    all.add(model());
    all.add(TokenizerCheck.run());
    all.add(training());
    return all;
  }

  Finding jdk(Runtime.Version version) {
    String value =
        version
            + " ("
            + System.getProperty("java.vendor", "unknown vendor")
            + ", "
            + System.getProperty("java.home", "?")
            + ")";
    return version.compareToIgnoreOptional(Runtime.Version.parse(jdkFloor)) < 0
        ? Finding.missing("JDK", value, jdkFloor + " or newer is needed; " + GET_JDK)
        : Finding.ok("JDK", value + ", at least " + jdkFloor);
  }

  private static Finding system() {
    return Finding.ok(
        "system",
        System.getProperty("os.name")
            + " "
            + System.getProperty("os.version")
            + ", "
            + System.getProperty("os.arch"));
  }

  private static String processor(Cpu cpu) {
    int cores = Runtime.getRuntime().availableProcessors();
    return cpu.model() + ", " + cores + (cores == 1 ? " core" : " cores") + " to use";
  }

  private static Finding instructionSets(Cpu cpu) {
    if (cpu.flags().isEmpty()) {
      return Finding.optional(
          "instruction sets",
          "the system does not list them",
          "see the width of the vector provider");
    }
    String absent = String.join(", ", cpu.absentInstructionSets());
    String value = String.join(", ", cpu.instructionSets());
    return Finding.ok(
        "instruction sets",
        (value.isEmpty() ? "none that matter" : value)
            + (absent.isEmpty() ? "" : " (absent: " + absent + ")"));
  }

  private static Finding memory() {
    return Finding.ok(
        "memory",
        "%s, %s available; heap up to %s (weights and caches lie outside it)"
            .formatted(
                Human.bytes(HostMemory.total().bytes()),
                Human.bytes(HostMemory.available().bytes()),
                Human.bytes(Runtime.getRuntime().maxMemory())));
  }

  private static Finding vectorApi() {
    boolean present = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
    return present
        ? Finding.ok("Vector API", "jdk.incubator.vector is there")
        : Finding.missing(
            "Vector API",
            "the module jdk.incubator.vector was not added",
            "start Octet through ./octet, or add --add-modules jdk.incubator.vector");
  }

  private static List<Finding> providers() {
    List<Finding> list = new ArrayList<>();
    for (ProviderInfo p : Providers.list()) {
      String name = "kernels: " + p.name();
      list.add(
          p.available()
              ? Finding.ok(name, p.isa() + (p.reason().isEmpty() ? "" : "; " + p.reason()))
              : Finding.optional(name, "not available", p.reason()));
    }
    try (Kernels kernels = Providers.create("auto", 1)) {
      list.add(
          Finding.ok(
              "kernels chosen",
              kernels.name() + " (" + kernels.isa() + "): the fastest available"));
    }
    return list;
  }

  private Finding compiler() {
    return Compiler.find(environment)
        .map(c -> Finding.ok("C compiler", c.path() + ": " + c.version()))
        .orElseGet(
            () ->
                Finding.optional(
                    "C compiler",
                    "none found",
                    "only a build of native kernels needs one; install gcc or clang, or set CC"));
  }

  private Finding model() {
    List<Path> found = List.of();
    if (Files.isDirectory(models)) {
      try (Stream<Path> entries = Files.list(models)) {
        found = entries.filter(p -> Files.exists(p.resolve("config.json"))).sorted().toList();
      } catch (IOException e) {
        return Finding.optional("bundled model", models + " cannot be read", e.toString());
      }
    }
    return found.isEmpty()
        ? Finding.optional("bundled model", "none in " + models, "name a model with --model DIR")
        : Finding.ok("bundled model", found.getFirst().toString());
  }

  private Finding training() {
    return train
        ? Finding.ok("training", "octet train is there (libtorch)")
        : Finding.optional(
            "training",
            "libtorch is not installed",
            "octet train fetches it the first time; nothing else needs it");
  }
}
