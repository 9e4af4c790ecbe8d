package dev.octet.cli;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.cli.inspect.Inspection;
import dev.octet.cli.inspect.Quantization;
import dev.octet.cli.inspect.TensorInfo;
import dev.octet.cli.output.Ansi;
import dev.octet.cli.output.Human;
import dev.octet.cli.output.Json;
import dev.octet.cli.output.Table;
import dev.octet.cli.output.Terminal;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import dev.octet.model.ScaleReport;
import dev.octet.quantize.HostMemory;
import dev.octet.quantize.MemoryEstimate;
import dev.octet.quantize.MemorySize;
import dev.octet.quantize.OuterSchemes;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code octet inspect}: what a checkpoint is made of, and what it takes to run it. */
@Command(
    name = "inspect",
    description = {
      "Shows what a model directory, a safetensors file or a GGUF file is made of.",
      "",
      "Of a model it shows architecture, parameters, tensors by type, quantization and scales, and "
          + "the memory that each scheme needs: weights and one sequence's cache, 20 %% added for "
          + "activations and the runtime. The recommendation is the most exact scheme that fits; "
          + "--quantization auto, where a model runs, takes the fastest that fits by timing it."
    },
    footer = {
      "  octet inspect DIR",
      "  octet inspect DIR --memory 8GiB --context 8192 --kv-cache-dtype int8",
      "  octet inspect DIR --memory 2GiB --lm-head w8a16",
      "  octet inspect DIR --attention int8 --json",
      "  octet inspect model.safetensors --tensors",
      "  octet inspect model.gguf --json"
    })
final class InspectCommand extends OctetCommand {
  private static final int DEFAULT_CONTEXT = 4096;

  @Parameters(
      arity = "0..1",
      paramLabel = "PATH",
      description = "model directory or file (default: the bundled model)")
  @Nullable Path path;

  @Option(names = "--tensors", description = "list every tensor")
  boolean tensors;

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      description = "memory to fit into, for instance 8GiB (default: this machine's)")
  @Nullable String memory;

  @Option(
      names = "--context",
      paramLabel = "N",
      description = "tokens in the cache (default: the model's context, at most 4096)")
  @Nullable Integer context;

  @Option(
      names = "--kv-cache-dtype",
      paramLabel = "TYPE",
      defaultValue = "auto",
      description =
          "type of the cache: auto (16-bit), int8, int4, fp8_e4m3, fp8_e5m2, f32 (default: auto)")
  KvType kvType;

  @Option(
      names = "--attention",
      paramLabel = "KIND",
      description =
          "how attention will be computed; int8, int8-fast and int8-bf16 keep codes beside a cache of "
              + "another type (default: what fits the cache)")
  @Nullable AttentionKind attention;

  @Mixin OuterOptions outer = new OuterOptions();

  @Option(names = "--json", description = "print a JSON object a line")
  boolean json;

  /** One way to run the model, and whether it fits. */
  private record Choice(MemoryEstimate estimate, boolean fits) {}

  @Override
  public Integer call() {
    Path where = path == null ? BundledModel.directory() : path;
    if (!Files.exists(where)) {
      throw new CliException(where + ": no such file or directory");
    }
    MemorySize size = memory == null ? HostMemory.total() : MemorySize.parse(memory);
    if (context != null && context < 1) {
      throw new CliException("--context must be at least 1, not " + context);
    }
    outer.schemes(); // refuses unknown ones before anything is printed
    Inspection found = Inspection.of(where);
    if (json) {
      printJson(found, size);
    } else {
      print(found, size);
    }
    return ExitCode.OK;
  }

  /** A checkpoint that is quantized already runs as it is; another may be quantized at load. */
  private List<Choice> choices(ModelConfig config, Quantization quantization, MemorySize size) {
    OuterSchemes both = outer.schemes();
    List<MemoryEstimate> table =
        MemoryEstimate.table(config, contextOf(config), kvType, attention, both);
    if (quantization.quantized()) {
      long kvBytes = table.getFirst().kvBytes();
      long saved =
          MemoryEstimate.weightBytes(config, null) - MemoryEstimate.weightBytes(config, null, both);
      table =
          List.of(
              new MemoryEstimate("as stored", null, quantization.weightBytes() - saved, kvBytes));
    }
    return table.stream().map(e -> new Choice(e, e.totalBytes() <= size.bytes())).toList();
  }

  private int contextOf(ModelConfig config) {
    return context == null ? Math.min(config.maxPositions(), DEFAULT_CONTEXT) : context;
  }

  private static Optional<MemoryEstimate> best(List<Choice> choices) {
    return choices.stream().filter(Choice::fits).map(Choice::estimate).findFirst();
  }

  private String recommendation(List<Choice> choices, MemorySize size) {
    return best(choices)
        .map(
            e ->
                "for %s: %s"
                        .formatted(
                            size,
                            e.scheme() == null
                                ? "run it "
                                    + (e.name().equals("as stored") ? "as stored" : "unquantized")
                                : "--quantization " + e.name())
                    + outer.flags())
        .orElse(
            "nothing fits into %s; try a shorter --context, --kv-cache-dtype int8 or a smaller model"
                .formatted(size));
  }

  private void print(Inspection found, MemorySize size) {
    PrintStream out = terminal().out();
    Ansi style = terminal().outStyle();
    Table facts = new Table().text("").text("");
    facts.row(style.bold("path"), found.path().toString());
    facts.row(style.bold("format"), found.format());
    found.facts().forEach((name, value) -> facts.row(style.bold(foreign(name)), foreign(value)));
    found
        .quantization()
        .ifPresent(
            q -> {
              q.layers().forEach((label, n) -> facts.row(style.bold("linear"), n + " × " + label));
              facts.row(style.bold("scales"), q.scales());
              q.ranges().forEach(range -> facts.row("", range));
              q.problems().forEach(p -> facts.row(style.yellow("warning"), foreign(p)));
              q.notices().forEach(n -> facts.row(style.bold("note"), foreign(n)));
            });
    if (!found.obstacle().isEmpty()) {
      facts.row(style.bold("runs"), style.yellow("no: ") + found.obstacle());
    }
    facts.print(out, style);
    out.println();
    types(found).print(out, style);
    if (tensors) {
      out.println();
      list(found).print(out, style);
    }
    found
        .config()
        .ifPresent(
            config -> {
              List<Choice> choices = choices(config, found.quantization().orElseThrow(), size);
              out.println();
              memory(choices, config).print(out, style);
              out.println();
              out.println(style.bold("recommended ") + recommendation(choices, size));
            });
  }

  private static Table types(Inspection found) {
    Table table = new Table().text("type").number("tensors").number("elements").number("size");
    for (Inspection.TypeTotal t : found.types()) {
      table.row(
          t.type(),
          Long.toString(t.tensors()),
          Long.toString(t.elements()),
          Human.bytes(t.bytes()));
    }
    long elements = found.tensors().stream().mapToLong(TensorInfo::elements).sum();
    return table.row(
        "all",
        Integer.toString(found.tensors().size()),
        Long.toString(elements),
        Human.bytes(found.bytes()));
  }

  private static Table list(Inspection found) {
    Table table = new Table().text("tensor").text("type").text("shape").number("size");
    for (TensorInfo t : found.tensors()) {
      table.row(foreign(t.name()), t.type(), t.shape(), Human.bytes(t.bytes()));
    }
    return table;
  }

  /** What a file says, on one line and without escape sequences of its own. */
  private static String foreign(String text) {
    return Terminal.printable(text).replaceAll("\\s+", " ");
  }

  private Table memory(List<Choice> choices, ModelConfig config) {
    String cache = "cache (" + contextOf(config) + " tokens, " + kvType.label() + ")";
    Table table =
        new Table().text("scheme").number("weights").number(cache).number("with 20 %").text("fits");
    for (Choice c : choices) {
      table.row(
          c.estimate.name(),
          Human.bytes(c.estimate.weightBytes()),
          Human.bytes(c.estimate.kvBytes()),
          Human.bytes(c.estimate.totalBytes()),
          c.fits ? "yes" : "no");
    }
    return table;
  }

  private void printJson(Inspection found, MemorySize size) {
    PrintStream out = terminal().out();
    out.println(
        new Json()
            .put("what", "model")
            .put("path", found.path())
            .put("format", found.format())
            .put("runs", found.obstacle().isEmpty())
            .put("obstacle", found.obstacle())
            .put("tensors", found.tensors().size())
            .put("bytes", found.bytes())
            .putAll(found.facts()));
    for (Inspection.TypeTotal t : found.types()) {
      out.println(
          new Json()
              .put("what", "type")
              .put("type", t.type())
              .put("tensors", t.tensors())
              .put("elements", t.elements())
              .put("bytes", t.bytes()));
    }
    found.quantization().ifPresent(q -> printJson(q, out));
    if (tensors) {
      for (TensorInfo t : found.tensors()) {
        out.println(
            new Json()
                .put("what", "tensor")
                .put("name", t.name())
                .put("type", t.type())
                .put("shape", t.shape())
                .put("bytes", t.bytes()));
      }
    }
    found
        .config()
        .ifPresent(c -> printJson(choices(c, found.quantization().orElseThrow(), size), size));
  }

  private static void printJson(Quantization q, PrintStream out) {
    q.layers()
        .forEach(
            (label, n) ->
                out.println(
                    new Json().put("what", "linear").put("weights", label).put("layers", n)));
    out.println(
        new Json()
            .put("what", "scales")
            .put("weights", q.weightScales())
            .put("inputs_static", q.inputs().layers())
            .put("inputs_dynamic", q.dynamicInputs())
            .put("cache_layers", q.attention().calibrated().size())
            .put("cache_layers_missing", q.attention().layers() - q.attention().calibrated().size())
            .put("query_layers", q.attention().queries().size())
            .put("layers_of_ones", q.attention().ones().size())
            .put("inputs_of_ones", q.inputs().ones()));
    q.problems().forEach(p -> out.println(new Json().put("what", "warning").put("text", p)));
    q.notices().forEach(n -> out.println(new Json().put("what", "note").put("text", n)));
    for (ScaleReport.Range r : q.allRanges()) {
      out.println(
          new Json()
              .put("what", "scale_range")
              .put("of", r.kind())
              .put("type", r.type())
              .put("scales", r.scales())
              .put("min", r.min())
              .put("median", r.median())
              .put("max", r.max())
              .put("offsets", r.offsets()));
    }
  }

  private void printJson(List<Choice> choices, MemorySize size) {
    PrintStream out = terminal().out();
    for (Choice c : choices) {
      out.println(
          new Json()
              .put("what", "memory")
              .put("scheme", c.estimate.name())
              .put("lm_head", outer.head)
              .put("embedding", outer.embedding)
              .put("weight_bytes", c.estimate.weightBytes())
              .put("kv_bytes", c.estimate.kvBytes())
              .put("total_bytes", c.estimate.totalBytes())
              .put("fits", c.fits));
    }
    out.println(
        new Json()
            .put("what", "recommendation")
            .put("memory_bytes", size.bytes())
            .put("scheme", best(choices).map(MemoryEstimate::name).orElse(null)));
  }
}
