package dev.octet.cli;

import dev.octet.bench.Distribution;
import dev.octet.cli.output.Terminal;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import dev.octet.quantize.OutlierInjection;
import dev.octet.quantize.method.ActOrder;
import dev.octet.quantize.sensitivity.Candidate;
import java.io.BufferedOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.UsageMessageSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** The root command. */
@Command(
    name = "octet",
    description = "Quantized large language models on the JVM.",
    versionProvider = BuildInfo.class,
    subcommands = {
      DemoCommand.class,
      GenerateCommand.class,
      EvalCommand.class,
      AnalyzeCommand.class,
      QuantizeCommand.class,
      ConvertCommand.class,
      DoctorCommand.class,
      InspectCommand.class,
      LogitsCommand.class,
      TrainCommand.class,
      VerifyCommand.class,
      BenchCommand.class,
      InjectOutliersCommand.class,
    },
    footer = {
      "  octet demo                                see it all on the bundled model",
      "  octet generate --prompt \"Once upon a time\" --quantization int8",
      "  octet quantize --model DIR --out DIR-w8a8 --scheme w8a8",
      "  octet eval perplexity --model DIR --text book.txt --quantization none,w8a8,int4",
      "  octet COMMAND --help                      options and examples of a command"
    })
public final class Octet extends OctetCommand {
  final Terminal streams;

  @Option(
      names = {"-V", "--version"},
      versionHelp = true,
      description = "print the version and leave")
  boolean version;

  Octet(Terminal terminal) {
    this.streams = terminal;
  }

  @Override
  public Integer call() {
    spec.commandLine().usage(streams.out());
    return ExitCode.OK;
  }

  /** Runs a command line and leaves with its exit status. */
  public static void main(String[] args) {
    StandardOutput results = StandardOutput.open();
    PrintStream out = utf8(new BufferedOutputStream(results));
    PrintStream err = utf8(StandardError.open());
    System.setErr(err);
    Terminal terminal = Terminal.system(out, err, System.getenv());
    AtomicBoolean done = new AtomicBoolean();
    if (terminal.errIsTerminal()) {
      Runtime.getRuntime().addShutdownHook(new Thread(() -> endLine(done, err), "octet-exit"));
    }
    int status = run(terminal, args);
    done.set(true);
    out.flush();
    status = results.statusAfter(status, new ErrorReport(terminal, false));
    err.flush();
    System.exit(status);
  }

  /** After Ctrl-C the shell's prompt is to begin on a line of its own. */
  private static void endLine(AtomicBoolean done, PrintStream err) {
    if (!done.get()) {
      err.println();
    }
  }

  /** Runs a command line and returns its exit status; nothing is thrown. */
  static int run(Terminal terminal, String... args) {
    boolean debug = !System.getenv().getOrDefault("OCTET_DEBUG", "").isEmpty();
    ErrorReport errors = new ErrorReport(terminal, debug);
    try {
      return commandLine(terminal, errors).execute(args);
    } catch (OutOfMemoryError | StackOverflowError e) {
      return errors.report(e, debug);
    }
  }

  /** The whole tree of commands, to look at. */
  static CommandLine commandLine(Terminal terminal) {
    return commandLine(terminal, new ErrorReport(terminal, false));
  }

  /** The whole tree of commands. */
  private static CommandLine commandLine(Terminal terminal, ErrorReport errors) {
    CommandLine line = new CommandLine(new Octet(terminal));
    line.setOut(new PrintWriter(terminal.out(), true, StandardCharsets.UTF_8));
    line.setErr(new PrintWriter(terminal.err(), true, StandardCharsets.UTF_8));
    line.setParameterExceptionHandler(errors);
    line.setExecutionExceptionHandler(errors);
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setAbbreviatedOptionsAllowed(false);
    line.setUsageHelpWidth(Math.clamp(terminal.columns(), 60, 110));
    line.setColorScheme(
        CommandLine.Help.defaultColorScheme(terminal.outStyle().enabled() ? Ansi.ON : Ansi.OFF));
    keepExamplesWhole(line);
    register(line, QuantChoice.class, QuantChoice::of);
    register(line, Candidate.class, Candidate::of);
    register(line, AttentionKind.class, AttentionKind::of);
    register(line, KvType.class, KvType::of);
    register(line, Distribution.class, Distribution::of);
    spell(line, MethodOptions.Method.class);
    spell(line, MethodOptions.KvScale.class);
    spell(line, ActOrder.class);
    spell(line, OutlierInjection.Site.class);
    spell(line, BenchQuantizeCommand.Method.class);
    return line;
  }

  /** An example that is broken into lines to fit the terminal does not work when it is pasted. */
  private static void keepExamplesWhole(CommandLine line) {
    line.getHelpSectionMap()
        .put(
            UsageMessageSpec.SECTION_KEY_FOOTER,
            help ->
                Arrays.stream(help.commandSpec().usageMessage().footer())
                    .map(example -> example + System.lineSeparator())
                    .collect(Collectors.joining()));
    line.getSubcommands().values().forEach(Octet::keepExamplesWhole);
  }

  /** Lets a converter's own message reach the user instead of its exception's class name. */
  private static <T> void register(CommandLine line, Class<T> type, Function<String, T> of) {
    line.registerConverter(
        type,
        text -> {
          try {
            return of.apply(text);
          } catch (IllegalArgumentException e) {
            throw new TypeConversionException(e.getMessage());
          }
        });
  }

  /** Constants as people write them, {@code kv-fp8}; an error lists them so, too. */
  private static <E extends Enum<E>> void spell(CommandLine line, Class<E> type) {
    List<String> names =
        Arrays.stream(type.getEnumConstants())
            .map(constant -> constant.name().toLowerCase(Locale.ROOT).replace('_', '-'))
            .toList();
    line.registerConverter(
        type,
        text -> {
          int index = names.indexOf(text.strip().toLowerCase(Locale.ROOT).replace('_', '-'));
          if (index < 0) {
            throw new TypeConversionException(
                "'%s' is none of %s".formatted(text, String.join(", ", names)));
          }
          return type.getEnumConstants()[index];
        });
  }

  /** Text is UTF-8 whatever the locale; the file encoding of a C locale would mangle it. */
  private static PrintStream utf8(OutputStream stream) {
    return new PrintStream(stream, true, StandardCharsets.UTF_8);
  }
}
