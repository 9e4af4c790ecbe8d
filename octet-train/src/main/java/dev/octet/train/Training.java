package dev.octet.train;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.FolderLock;
import dev.octet.train.bpe.BpeVocabulary;
import dev.octet.train.bpe.TokenizerJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** Entry point: trains a vocabulary and a model, and writes a Hugging Face directory. */
public final class Training {
  private static final String TOKENIZER = "tokenizer.json";

  private Training() {}

  /**
   * Runs to the last step, or until told to stop, and writes the model as it then is.
   *
   * @param stop asked after every update; the state is written before returning, so that the run
   *     can be resumed
   * @throws TrainException if an input, the state or an option is wrong; nothing is written then
   */
  public static void run(TrainOptions options, TrainListener listener, BooleanSupplier stop) {
    checkPlace(options);
    NativeSettings.apply(Workers.threadsEach(options));
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
    RunKey run =
        new RunKey(
            fingerprint(options, shape, vocabulary, corpus), options.steps(), options.warmup());
    Path directory = options.out().resolve(Trainer.DIRECTORY);
    try (FolderLock _ = lock(directory)) {
      try {
        checkPlace(options); // another run may have been there meanwhile
        prepare(options, vocabulary);
        try (Trainer trainer = new Trainer(options, shape, corpus, validation, run, listener)) {
          trainer.run(stop);
          new ModelWriter(options.out(), shape, vocabulary).write(trainer.model().parameters());
        }
        chart(directory);
      } finally {
        FolderLock.delete(directory);
      }
    } catch (IOException e) {
      throw new TrainException(
          "cannot write to " + options.out() + ": " + TrainException.reason(e), e);
    }
    listener.note("wrote " + options.out());
  }

  /** Hours of training are not to be lost to a forgotten option. */
  private static void checkPlace(TrainOptions options) {
    Path out = options.out();
    Path state = out.resolve(Trainer.DIRECTORY).resolve(Trainer.STATE);
    if (options.resume()) {
      if (!Files.isReadable(state)) {
        throw new TrainException(
            "nothing to resume: there is no state of a run that can be read at " + state);
      }
    } else if (Files.exists(state) || Files.exists(out.resolve("config.json"))) {
      throw new TrainException(
          out + " holds a model or a run already: --resume goes on, another --out starts anew");
    }
  }

  private static FolderLock lock(Path directory) throws IOException {
    try {
      return FolderLock.take(directory);
    } catch (CheckpointException e) {
      throw new TrainException(String.valueOf(e.getMessage()), e);
    }
  }

  /** Before the first update, so that a place that cannot be written to is known at once. */
  private static void prepare(TrainOptions options, BpeVocabulary vocabulary) throws IOException {
    if (!options.resume()) {
      Files.writeString(options.out().resolve(TOKENIZER), TokenizerJson.write(vocabulary));
    }
  }

  /** Draws the losses beside their log. */
  private static void chart(Path directory) {
    try {
      Files.writeString(
          directory.resolve("loss.svg"), LossChart.ofLog(directory.resolve(Trainer.LOSSES)));
    } catch (IOException e) {
      throw new TrainException(
          "cannot draw the losses in " + directory + ": " + TrainException.reason(e), e);
    }
  }

  private static BpeVocabulary vocabulary(TrainOptions options, TrainListener listener) {
    @Nullable Path given =
        options.resume() ? options.out().resolve(TOKENIZER) : options.tokenizer();
    if (given == null) {
      int wanted = options.shape().vocabSize();
      listener.note("learning a vocabulary of " + wanted + " tokens");
      BpeVocabulary learned = Corpus.learnVocabulary(options.text(), wanted);
      if (learned.size() < wanted) {
        listener.note("the text repeats itself enough for " + learned.size() + " tokens only");
      }
      return learned;
    }
    try {
      return TokenizerJson.read(Files.readString(given));
    } catch (IllegalArgumentException e) {
      throw new TrainException(given + ": " + e.getMessage(), e);
    } catch (IOException e) {
      throw new TrainException(
          "cannot read the tokenizer " + given + ": " + TrainException.reason(e), e);
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

  /**
   * Two runs with the same number, steps and warm-up learn from the same windows in the same way.
   */
  private static long fingerprint(
      TrainOptions o, LlamaShape shape, BpeVocabulary vocabulary, Corpus corpus) {
    List<Object> parts =
        List.of(
            shape.toString(),
            TokenizerJson.write(vocabulary),
            corpus.fingerprint(),
            o.text().stream().map(t -> t.file().getFileName() + "@" + t.weight()).toList(),
            o.batch(),
            o.microBatch(),
            o.learningRate(),
            o.weightDecay(),
            o.clip(),
            o.seed(),
            o.compute().name());
    return 0xFFFFFFFFL & Objects.hash(parts);
  }
}
