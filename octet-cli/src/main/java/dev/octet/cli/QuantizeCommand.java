package dev.octet.cli;

import dev.octet.checkpoint.CompressedTensorsWriter;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.cli.output.Human;
import dev.octet.cli.output.ProgressBar;
import dev.octet.engine.Tokenizer;
import dev.octet.kernels.Kernels;
import dev.octet.quantize.CheckpointQuantizer;
import dev.octet.quantize.CheckpointQuantizer.Outcome;
import dev.octet.quantize.GgufQuantizer;
import dev.octet.quantize.GgufTarget;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.calibrate.CalibratedQuantizer;
import dev.octet.quantize.calibrate.CalibrationText;
import dev.octet.quantize.calibrate.Recipe;
import dev.octet.quantize.recipe.CalibrationData;
import dev.octet.quantize.recipe.GgufRecipe;
import dev.octet.quantize.recipe.RecipeDocument;
import dev.octet.quantize.recipe.RecipeFile;
import dev.octet.tensor.QuantScheme;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;

/** {@code octet quantize}: writes a quantized checkpoint. */
@Command(
    name = "quantize",
    description = {
      "Writes a quantized copy of a model, by default as compressed-tensors, which vLLM reads too.",
      "Works layer by layer; what was interrupted can be continued with --resume. Nothing appears "
          + "in --out before all of it is written."
    },
    footer = {
      "  octet quantize --model DIR --out DIR-w8a8 --scheme w8a8",
      "  octet quantize --model DIR --out DIR-w4a16 --scheme w4a16 --group-size 32 \\",
      "      --ignore '*.down_proj'",
      "  octet quantize --model DIR --out DIR-small --scheme w4a16 --lm-head w8a16",
      "  octet quantize --model DIR --out DIR-awq --scheme w4a16-asym --format awq",
      "  octet quantize --model DIR --out DIR-fp8 --scheme fp8-dynamic --resume",
      "  octet quantize --model DIR --out DIR-gptq --scheme w4a16 --method gptq",
      "  octet quantize --model DIR --out DIR-w4a4 --scheme w4a4 --method rotation,gptq \\",
      "      --rotations R1,R2,R4",
      "  octet quantize --model DIR --out DIR-sq --scheme w8a8 --static-inputs \\",
      "      --method smoothquant,gptq --calibration text.txt",
      "  octet quantize --model DIR --out DIR-fa --scheme w8a8 --format ascend \\",
      "      --method smoothquant,gptq,faquant --write-recipe recipe.yaml",
      "  octet quantize --model DIR --out DIR-again --recipe recipe.yaml",
      "  octet quantize --model DIR --out DIR-auto --auto --memory 4GiB",
      "  octet quantize --model DIR --out DIR-auto --auto --max-loss 1 --html auto.html",
      "  octet quantize --model DIR --out model.gguf --format gguf --scheme q4_k",
      "  octet quantize --model DIR --out model.gguf --format gguf --scheme q4_0 --method gptq"
    })
final class QuantizeCommand extends OctetCommand {
  @Mixin ModelOptions model = new ModelOptions();

  @Option(
      names = "--out",
      required = true,
      paramLabel = "PATH",
      description = "directory to write, or the file for --format gguf")
  Path out = Path.of("");

  @Mixin SchemeOptions schemes = new SchemeOptions();

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "compressed-tensors",
      description =
          "compressed-tensors (default), gptq (INT4, INT8 weights), awq (INT4 weights), fp8 (with "
              + "fp8-block), ascend (MindIE, vllm-ascend), gguf (one file, its tokenizer included)")
  String formatName = "";

  @Mixin MethodOptions method = new MethodOptions();

  @Mixin AutoOptions auto = new AutoOptions();

  @Mixin JournalOptions journal = new JournalOptions();

  @Mixin RecipeOptions recipes = new RecipeOptions();

  @Mixin ComputeOptions compute = new ComputeOptions();

  @Option(names = "--force", description = "replace a model that is there already")
  boolean force;

  @Option(names = "--resume", description = "continue an interrupted run of the same settings")
  boolean resume;

  @Override
  public Integer call() {
    recipes.requireMeaning();
    recipes.requireRoom(out, force);
    RecipeDocument plan = recipes.file == null ? options() : recipes.read(recipes.file, given());
    if (plan instanceof RecipeFile stepping) {
      requireComputing(stepping);
    }
    if (recipes.explain) {
      recipes.explanation(plan).forEach(terminal().out()::println);
    } else {
      Path in = model.directory();
      switch (plan) {
        case GgufRecipe own -> own(in, own);
        case RecipeFile file when file.target() != null -> blocks(in, file, file.target());
        case RecipeFile directory -> directory(in, directory);
      }
    }
    recipes.write(plan);
    return ExitCode.OK;
  }

  private void directory(Path in, RecipeFile plan) {
    requireRoom(in);
    tellOfBegun(out.resolveSibling(out.getFileName() + ".partial"));
    Outcome outcome = run(in, out, plan, force);
    terminal()
        .out()
        .println(
            String.format(
                Locale.ROOT,
                "%s: %s, %s instead of %s (%.0f %%)",
                out,
                outcome.quantizedLayers() == 0
                    ? "no layers quantized"
                    : outcome.quantizedLayers() + " layers as " + schemes(plan),
                Human.bytes(outcome.writtenBytes()),
                Human.bytes(outcome.modelBytes()),
                100.0 * outcome.writtenBytes() / outcome.modelBytes()));
    if (auto.auto) {
      recipes.write(plan, out.resolve("recipe.yaml"));
      journal.remove(measured());
    }
  }

  /** Refuses an {@code --out} before the work that would be lost. */
  private void requireRoom(Path in) {
    GgufOutput.requireFolder(out);
    CompressedTensorsWriter.requireReplaceable(out, in, force);
  }

  private void tellOfBegun(Path begun) {
    if (!resume && Files.isDirectory(begun)) {
      terminal().note(begun + ": starting over; with --resume a run is continued where it ended");
    }
  }

  private static String schemes(RecipeFile plan) {
    return plan.recipe()
        .options()
        .schemes()
        .distinct()
        .map(QuantScheme::toString)
        .collect(Collectors.joining(", "));
  }

  private String requireScheme() {
    if (schemes.name == null) {
      throw new CliException("name a --scheme, such as w8a8, a --recipe, or --auto with a budget");
    }
    auto.requireNone();
    if (journal.file != null) {
      throw new CliException("--journal belongs to --auto");
    }
    return schemes.name;
  }

  /** What the options say, as a recipe would. */
  private RecipeDocument options() {
    if (formatName.equalsIgnoreCase(GgufOutput.FORMAT)) {
      return ggufOptions();
    }
    WriteFormat format = GgufOutput.otherFormat(formatName);
    CalibrationData calibration = method.calibration();
    QuantizeOptions layers =
        auto.auto ? chosen(calibration, format) : schemes.layers(requireScheme(), method);
    return new RecipeFile(method.recipe(layers, used()), calibration, format);
  }

  /** What is given and not taken by the measurements of {@code --auto}. */
  private List<String> used() {
    List<String> given = new ArrayList<>(given());
    if (auto.auto) {
      given.removeAll(MethodOptions.OF_TEXTS);
    }
    return given;
  }

  /** A scheme for every layer, by measurement. */
  private QuantizeOptions chosen(CalibrationData calibration, WriteFormat format) {
    if (schemes.anyGiven()) {
      throw new CliException(
          "--auto chooses schemes itself: leave out --scheme, --group-size, --ignore and --lm-head;"
              + " name --candidates");
    }
    method.require(used());
    WrittenFile.require("--html", auto.html);
    Path in = model.directory();
    if (!recipes.explain) {
      requireRoom(in);
    }
    AutoReport report =
        auto.plan(
            in,
            sequences(in, calibration),
            new AutoOptions.Target(method::steps, format),
            new AutoOptions.Journal(journal, measured(), resume),
            compute,
            terminal());
    report.print(terminal());
    if (auto.html != null) {
      report.page().write(auto.html);
      terminal().note("report: " + auto.html);
    }
    return report.plan().chosen().mix().options();
  }

  /** Where measurements are kept until the result is there. */
  private Path measured() {
    return out.resolveSibling(out.getFileName() + ".journal");
  }

  /** GGUF's own rounding for a type's name alone; any method where GGUF holds its result. */
  private RecipeDocument ggufOptions() {
    if (auto.auto) {
      throw new CliException("--auto: has no mixes of GGUF's types; name a --scheme, such as q4_k");
    }
    String name = requireScheme();
    if (schemes.headGiven()) {
      throw new CliException("--lm-head: a GGUF's output layer has its own rule; leave it out");
    }
    List<String> others = others();
    if (others.isEmpty() && GgufQuantizer.names().contains(name.toLowerCase(Locale.ROOT))) {
      return new GgufRecipe(GgufQuantizer.type(name), schemes.ignore);
    }
    GgufTarget target =
        OptionValue.of(
                "--group-size",
                size -> GgufTarget.of(name, Integer.parseInt(size)),
                "" + schemes.group)
            .orElseThrow(() -> notGguf(name, others));
    QuantizeOptions layers = QuantizeOptions.of(target.scheme()).ignoring(schemes.ignore);
    Recipe recipe = method.recipe(layers, given());
    return OptionValue.named(() -> RecipeFile.ofGguf(recipe, method.calibration(), target.outer()));
  }

  private void own(Path in, GgufRecipe plan) {
    if (resume) {
      throw new CliException(
          "--resume: --scheme %s without a --method writes one file at once; leave it out"
              .formatted(plan.scheme()));
    }
    GgufOutput.write(in, out, plan, force, terminal());
  }

  private void blocks(Path in, RecipeFile plan, GgufTarget target) {
    target.require(in, out, plan.recipe().options(), plan.recipe(), force);
    Path layers = GgufOutput.layers(out);
    tellOfBegun(layers.resolveSibling(layers.getFileName() + ".partial"));
    GgufOutput.quantized(
        in,
        out,
        new GgufOutput.Layers(target, settings(in, plan), to -> run(in, to, plan, true)),
        plan.ignoredLayers(),
        force,
        resume,
        terminal());
  }

  private static CliException notGguf(String name, List<String> others) {
    return new CliException(
        "--scheme: '%s' is not written as GGUF%s; choose one of %s"
            .formatted(
                name,
                others.isEmpty() ? "" : " with " + String.join(", ", others),
                others.isEmpty()
                    ? String.join(", ", GgufQuantizer.names()) + ", q4_1, w8a16, w4a16, w4a16-asym"
                    : GgufTarget.STEPPED));
  }

  /** What GGUF's own rounding has no use for. */
  private List<String> others() {
    List<String> others = new ArrayList<>(given());
    others.removeAll(
        Set.of(
            "--model",
            "--out",
            "--scheme",
            "--format",
            "--force",
            "--resume",
            "--debug",
            "--ignore",
            "--explain",
            "--yaml",
            "--write-recipe"));
    return others;
  }

  /** Names of the options that somebody has written. */
  private List<String> given() {
    return spec.commandLine().getParseResult().matchedOptions().stream()
        .map(OptionSpec::longestName)
        .distinct()
        .toList();
  }

  /** Only what runs the model has a use for kernels; rounding takes all processors there are. */
  private void requireComputing(RecipeFile plan) {
    if (plan.recipe().calibrates() || auto.auto) {
      return;
    }
    for (String option : List.of("--provider", "--threads", "--compute")) {
      if (given().contains(option)) {
        throw new CliException(
            option + ": is for steps that look at a text, and --auto; nothing is computed here");
      }
    }
  }

  private Outcome run(Path in, Path to, RecipeFile plan, boolean replace) {
    Outcome outcome =
        plan.recipe().calibrates()
            ? calibrated(in, to, plan, replace)
            : weights(in, to, plan, replace);
    outcome.notices().forEach(terminal()::note);
    return outcome;
  }

  private Outcome weights(Path in, Path to, RecipeFile plan, boolean replace) {
    Recipe recipe = plan.recipe();
    WriteOptions write = write(plan, replace, "");
    try (ProgressBar bar = terminal().progress(recipe.options().scheme().name())) {
      return CheckpointQuantizer.run(
          in, to, recipe.rotation(), recipe.options(), recipe.weightRounding(), write, bar::update);
    }
  }

  private Outcome calibrated(Path in, Path to, RecipeFile plan, boolean replace) {
    List<int[]> sequences = sequences(in, plan.calibration());
    WriteOptions write = write(plan, replace, settings(in, plan));
    try (Kernels kernels = compute.open(terminal());
        ProgressBar bar = terminal().progress(plan.recipe().options().scheme().name())) {
      return CalibratedQuantizer.run(in, to, plan.recipe(), sequences, kernels, write, bar::update);
    }
  }

  private WriteOptions write(RecipeFile plan, boolean replace, String settings) {
    WriteOptions write = WriteOptions.of(replace, resume, settings).as(plan.format());
    return plan.target() == null ? write : write.forGguf();
  }

  private static String settings(Path in, RecipeFile plan) {
    return "%s%n%s%n%s%n"
        .formatted(in.toAbsolutePath().normalize(), plan.recipe(), plan.calibration());
  }

  private static List<int[]> sequences(Path in, CalibrationData data) {
    try (Tokenizer tokenizer = Tokenizer.load(in)) {
      EvalText text =
          data.text() == null
              ? EvalText.ofText("calibration.txt", CalibrationText.bundled(), tokenizer)
              : EvalText.ofText(data.text().toString(), EvalText.readUtf8(data.text()), tokenizer);
      return CalibrationText.cut(
          text.ids(), data.samples(), data.length(), data.seed(), text.bos());
    }
  }
}
