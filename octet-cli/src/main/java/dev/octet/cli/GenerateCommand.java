package dev.octet.cli;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.cli.output.Human;
import dev.octet.cli.output.Terminal;
import dev.octet.engine.Generation;
import dev.octet.engine.Generator;
import dev.octet.engine.SamplingParams;
import dev.octet.engine.TokenListener;
import dev.octet.engine.Tokenizer;
import dev.octet.kernels.Kernels;
import dev.octet.model.CausalLm;
import dev.octet.model.RunOptions;
import dev.octet.quantize.OuterSchemes;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code octet generate}: continues a prompt, streaming to the terminal. */
@Command(
    name = "generate",
    description = "Continues a prompt, printing the text as it is made.",
    footer = {
      "  octet generate --prompt \"Once upon a time\"",
      "  octet generate --model DIR --prompt \"The sea\" --quantization w8a8 \\",
      "      --attention int8 --kv-cache-dtype int8 --max-tokens 64",
      "  octet generate --prompt \"A dog\" --temperature 0.8 --top-p 0.95 --seed 7",
      "  octet generate --model DIR --ids 1,403,407 --print-ids"
    })
final class GenerateCommand extends OctetCommand {
  @Mixin ModelOptions model = new ModelOptions();

  /** Either of them. */
  static final class Prompt {
    @Option(names = "--prompt", paramLabel = "TEXT", description = "text to continue")
    @Nullable String text;

    @Option(names = "--ids", paramLabel = "IDS", description = "token ids to continue: 1,2,3")
    @Nullable String ids;
  }

  @ArgGroup(multiplicity = "1")
  Prompt prompt = new Prompt();

  @Option(
      names = "--max-tokens",
      paramLabel = "N",
      defaultValue = "128",
      description = "most tokens to make (default: ${DEFAULT-VALUE})")
  int maxTokens;

  @Option(
      names = "--temperature",
      paramLabel = "T",
      defaultValue = "0",
      description = "0 takes the likeliest token, 1 samples as the model says (default: 0)")
  double temperature;

  @Option(
      names = "--top-k",
      paramLabel = "K",
      defaultValue = "0",
      description = "sample from the K likeliest tokens only")
  int topK;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      defaultValue = "1",
      description = "sample from the likeliest tokens that together reach P")
  double topP;

  @Option(
      names = "--min-p",
      paramLabel = "P",
      defaultValue = "0",
      description = "drop tokens less than P times as likely as the likeliest")
  double minP;

  @Option(
      names = "--repetition-penalty",
      paramLabel = "X",
      defaultValue = "1",
      description = "above 1 makes tokens that were there before less likely")
  double repetitionPenalty;

  @Option(
      names = "--seed",
      paramLabel = "S",
      defaultValue = "0",
      description = "same seed, same text (default: 0)")
  long seed;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "end before this text; may be repeated")
  List<String> stop = List.of();

  @Option(names = "--ignore-eos", description = "go on after the model's end token")
  boolean ignoreEos;

  @Option(
      names = "--print-ids",
      description = "print the new tokens' ids on one line instead of their text")
  boolean printIds;

  @Mixin QuantizationOptions quantization = new QuantizationOptions();
  @Mixin RunModeOptions mode = new RunModeOptions();
  @Mixin ComputeOptions compute = new ComputeOptions();

  private boolean streaming;

  @Override
  public Integer call() {
    SamplingParams params = params();
    RunOptions options = mode.options();
    QuantChoice choice = quantization.only();
    OuterSchemes outer = quantization.outer.schemes();
    Path directory = model.directory();
    try (Checkpoint checkpoint = Checkpoints.open(directory);
        Tokenizer tokenizer = tokenizer(directory)) {
      int[] ids = promptIds(tokenizer);
      TokenIds.requireWithin(ids, checkpoint.config().vocabSize());
      int context = CausalLm.contextLength(checkpoint.config());
      if (ids.length > context) {
        throw new CliException(
            "the prompt has %d tokens, the model's context is %d".formatted(ids.length, context));
      }
      quantization.noteUnmatched(checkpoint.config(), terminal());
      try (Kernels kernels = compute.open(terminal());
          CausalLm lm =
              ModelSession.load(
                  checkpoint,
                  ModelSession.resolve(choice, checkpoint, outer, kernels, options, terminal()),
                  quantization.ignore,
                  outer,
                  kernels,
                  options)) {
        lm.notices().forEach(terminal()::note);
        finish(generate(new Generator(lm, tokenizer), ids, params));
      }
    }
    return ExitCode.OK;
  }

  /** An error begins on a line of its own, not within the text. */
  private Generation generate(Generator generator, int[] ids, SamplingParams params) {
    try {
      return generator.generate(ids, params, listener(prompt.text));
    } catch (RuntimeException e) {
      if (streaming) {
        terminal().out().println();
      }
      throw e;
    }
  }

  private SamplingParams params() {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        maxTokens,
        stop,
        List.of(),
        ignoreEos);
  }

  /** Text needs a tokenizer; ids to ids do without one where the model has none. */
  private @Nullable Tokenizer tokenizer(Path directory) {
    boolean needed = prompt.text != null || !printIds || !stop.isEmpty();
    if (!needed && !Tokenizer.isIn(directory)) {
      return null;
    }
    return Tokenizer.load(directory);
  }

  private int[] promptIds(@Nullable Tokenizer tokenizer) {
    if (prompt.ids != null) {
      return TokenIds.parse(prompt.ids);
    }
    if (tokenizer == null || prompt.text == null) {
      throw new CliException("say what to continue with --prompt or --ids");
    }
    int[] ids = tokenizer.encode(prompt.text, true);
    if (ids.length == 0) {
      throw new CliException("--prompt is empty, and this model's tokenizer adds no first token");
    }
    return ids;
  }

  /** A person sees the prompt before its continuation; a pipe gets the continuation alone. */
  private TokenListener listener(@Nullable String text) {
    Terminal terminal = terminal();
    if (printIds) {
      return TokenListener.none();
    }
    if (terminal.outIsTerminal() && text != null) {
      streaming = true;
      terminal.out().print(terminal.outStyle().bold(Terminal.printable(text)));
    }
    return (sequence, id, piece) -> {
      streaming = true;
      terminal.out().print(terminal.outIsTerminal() ? Terminal.printable(piece) : piece);
      return !terminal.out().checkError(); // flushed; nobody reads on where a pipe was closed
    };
  }

  private void finish(Generation made) {
    if (printIds) {
      terminal()
          .out()
          .println(
              Arrays.stream(made.ids()).mapToObj(String::valueOf).collect(Collectors.joining(",")));
    } else {
      terminal().out().println();
    }
    terminal()
        .note(
            "prompt %d tokens, %s tokens/s; %d new tokens, %s tokens/s; ended by %s"
                .formatted(
                    made.promptTokens(),
                    Human.rate(made.prefillTokensPerSecond()),
                    made.ids().length,
                    Human.rate(made.decodeTokensPerSecond()),
                    made.finishReason().label()));
  }
}
