package dev.octet.train;

import dev.octet.train.bpe.BpeVocabulary;
import dev.octet.train.bpe.TokenizerJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Entry point: trains a vocabulary and a model, and writes a Hugging Face directory. */
public final class Training {
  private Training() {}

  /**
   * Runs to the last step, or until told to stop, and writes the model as it then is.
   *
   * @param stop asked after every update; the state is written before returning, so that the run
   *     can be resumed
   * @throws TrainException if an input, the state or an option is wrong
   */
  public static void run(TrainOptions options, TrainListener listener, BooleanSupplier stop) {
    NativeSettings.apply(Workers.threadsEach(options));
    try {
      Files.createDirectories(options.out().resolve(Trainer.DIRECTORY));
    } catch (IOException e) {
      throw new TrainException("cannot create " + options.out() + ": " + e, e);
    }
    BpeVocabulary vocabulary = vocabulary(options, listener);
    LlamaShape shape = withVocabulary(options.shape(), vocabulary.size());
    listener.note("encoding the text");
    Corpus corpus = Corpus.encode(options.text(), vocabulary, shape.context());
    Corpus validation =
        options.validation().isEmpty()
            ? null
            : Corpus.encode(options.validation(), vocabulary, shape.context());
    listener.note(
        "%,d tokens of text; %,d parameters; %,d steps of %,d tokens"
            .formatted(
                corpus.tokens(), shape.parameters(), options.steps(), options.tokensPerStep()));
    long fingerprint = fingerprint(options, shape, vocabulary);
    try (Trainer trainer = new Trainer(options, shape, corpus, validation, fingerprint, listener)) {
      trainer.run(stop);
      new ModelWriter(options.out(), shape, vocabulary).write(trainer.model().parameters());
      chart(options.out().resolve(Trainer.DIRECTORY));
      listener.note("wrote " + options.out());
    }
  }

  /** Draws the losses beside their log. */
  private static void chart(Path directory) {
    try {
      Files.writeString(
          directory.resolve("loss.svg"), LossChart.ofLog(directory.resolve(Trainer.LOSSES)));
    } catch (IOException e) {
      throw new TrainException("cannot draw the losses in " + directory + ": " + e, e);
    }
  }

  /**
   * The same for a caller that does not link against this module: the command line finds it at run
   * time, if it is there, and calls this method by reflection.
   *
   * @param arguments option names as in {@link TrainArguments}, without dashes, with their values
   * @param lines takes the lines to show: notes, progress about once a second, validation losses
   * @param stop asked after every update
   * @throws TrainException as above; its message is meant for the user
   */
  public static void run(
      Map<String, List<String>> arguments, Consumer<String> lines, BooleanSupplier stop) {
    run(TrainArguments.parse(arguments), new LineListener(lines), stop);
  }

  private static BpeVocabulary vocabulary(TrainOptions options, TrainListener listener) {
    Path own = options.out().resolve("tokenizer.json");
    @Nullable Path given = options.resume() ? own : options.tokenizer();
    try {
      BpeVocabulary vocabulary;
      if (given != null) {
        vocabulary = TokenizerJson.read(Files.readString(given));
      } else {
        listener.note("learning a vocabulary of " + options.shape().vocabSize() + " tokens");
        vocabulary = Corpus.learnVocabulary(options.text(), options.shape().vocabSize());
      }
      if (!options.resume()) {
        Files.writeString(own, TokenizerJson.write(vocabulary));
      }
      return vocabulary;
    } catch (IllegalArgumentException e) {
      throw new TrainException(given + ": " + e.getMessage(), e);
    } catch (IOException e) {
      throw new TrainException("cannot read or write the tokenizer: " + e, e);
    }
  }

  private static LlamaShape withVocabulary(LlamaShape s, int size) {
    return new LlamaShape(
        size,
        s.hidden(),
        s.layers(),
        s.heads(),
        s.kvHeads(),
        s.headDim(),
        s.intermediate(),
        s.context(),
        s.ropeTheta(),
        s.normEps(),
        s.tiedEmbeddings());
  }

  /** Two runs with the same number would learn from the same windows in the same way. */
  private static long fingerprint(TrainOptions o, LlamaShape shape, BpeVocabulary vocabulary) {
    List<Object> parts =
        List.of(
            shape.toString(),
            TokenizerJson.write(vocabulary),
            o.text().stream().map(t -> t.file().getFileName() + "@" + t.weight()).toList(),
            o.steps(),
            o.batch(),
            o.microBatch(),
            o.learningRate(),
            o.warmup(),
            o.weightDecay(),
            o.clip(),
            o.seed(),
            o.compute().name());
    return 0xFFFFFFFFL & Objects.hash(parts);
  }
}
