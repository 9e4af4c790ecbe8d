package dev.octet.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.ServiceLoader;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;

/**
 * {@code octet train}. The options are read by the module that trains, which has their defaults and
 * limits; here they are only named and explained.
 */
@Command(
    name = "train",
    description = {
      "Trains a vocabulary and a small Llama model on text files; writes a Hugging Face directory.",
      "Needs libtorch, which ./octet fetches through Maven the first time."
    },
    footer = {
      "  octet train --text tales.txt --out my-model --tokens 20000000",
      "  octet train --text a.txt@2 --text b.txt --validation c.txt --out my-model \\",
      "      --hidden 256 --layers 6 --context 512 --dtype bf16",
      "  octet train --text tales.txt --out my-model --tokens 20000000 --resume"
    })
final class TrainCommand extends OctetCommand {
  @Option(
      names = "--text",
      paramLabel = "FILE[@WEIGHT]",
      description = "text to train on, drawn WEIGHT times as often; repeatable")
  List<String> text = List.of();

  @Option(
      names = "--validation",
      paramLabel = "FILE",
      description = "text whose loss is measured and never trained on; repeatable")
  List<String> validation = List.of();

  @Option(names = "--out", paramLabel = "DIR", description = "where the model is written")
  String out;

  @Option(
      names = "--tokenizer",
      paramLabel = "FILE",
      description = "tokenizer.json to use instead of learning a vocabulary")
  String tokenizer;

  @Option(names = "--vocab-size", paramLabel = "N", description = "vocabulary (default: 4096)")
  String vocabSize;

  @Option(names = "--hidden", paramLabel = "N", description = "width of the model (default: 256)")
  String hidden;

  @Option(names = "--layers", paramLabel = "N", description = "decoder layers (default: 5)")
  String layers;

  @Option(names = "--heads", paramLabel = "N", description = "query heads (default: width / 64)")
  String heads;

  @Option(
      names = "--kv-heads",
      paramLabel = "N",
      description = "key and value heads (default: half the query heads)")
  String kvHeads;

  @Option(
      names = "--intermediate",
      paramLabel = "N",
      description = "width of the feed-forward layer (default: 3 times the model's)")
  String intermediate;

  @Option(names = "--context", paramLabel = "N", description = "tokens of a window (default: 512)")
  String context;

  @Option(names = "--untied", description = "an output layer of its own, not the embedding's")
  boolean untied;

  @Option(names = "--steps", paramLabel = "N", description = "optimizer updates (default: 1000)")
  String steps;

  @Option(names = "--tokens", paramLabel = "N", description = "tokens to learn from, not --steps")
  String tokens;

  @Option(names = "--batch", paramLabel = "N", description = "windows an update (default: 8)")
  String batch;

  @Option(
      names = "--micro-batch",
      paramLabel = "N",
      description = "windows computed at once, a divisor of --batch")
  String microBatch;

  @Option(names = "--lr", paramLabel = "X", description = "highest learning rate (default: 1.5e-3)")
  String learningRate;

  @Option(names = "--warmup", paramLabel = "N", description = "updates until it is reached")
  String warmup;

  @Option(names = "--weight-decay", paramLabel = "X", description = "of AdamW (default: 0.1)")
  String weightDecay;

  @Option(names = "--clip", paramLabel = "X", description = "largest gradient norm (default: 1)")
  String clip;

  @Option(names = "--seed", paramLabel = "N", description = "same seed, same run (default: 1)")
  String seed;

  @Option(names = "--dtype", paramLabel = "TYPE", description = "f32 or bf16 (default: f32)")
  String dtype;

  @Option(
      names = "--checkpoint-every",
      paramLabel = "SECONDS",
      description = "how often the state is written (default: 120)")
  String checkpointEvery;

  @Option(
      names = "--evaluate-every",
      paramLabel = "N",
      description = "updates between two looks at the validation text (default: 200)")
  String evaluateEvery;

  @Option(
      names = "--resume",
      description = "go on from the state in --out; a finished run to more --steps")
  boolean resume;

  @Option(names = "--threads", paramLabel = "N", description = "threads (default: one a core)")
  String threads;

  @Override
  public Integer call() {
    TrainingProvider provider =
        ServiceLoader.load(TrainingProvider.class)
            .findFirst()
            .orElseThrow(
                () ->
                    new CliException(
                        "training is an optional part that is not here; run ./octet train in the"
                            + " source tree, which builds it"));
    return provider.train(arguments(), terminal());
  }

  /** The options given, as the training module knows them. */
  private SequencedMap<String, List<String>> arguments() {
    SequencedMap<String, List<String>> arguments = new LinkedHashMap<>();
    for (OptionSpec option : spec.commandLine().getParseResult().matchedOptions()) {
      String name = option.longestName().substring(2);
      if (!name.equals("debug")) {
        arguments.put(name, values(option));
      }
    }
    return arguments;
  }

  private static List<String> values(OptionSpec option) {
    return switch (option.getValue()) {
      case List<?> several -> several.stream().map(String::valueOf).toList();
      case Object one -> List.of(one.toString());
    };
  }
}
