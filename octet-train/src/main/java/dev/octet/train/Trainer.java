package dev.octet.train;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.BooleanSupplier;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.jspecify.annotations.Nullable;

/**
 * The training loop: draw windows, add up gradients over micro-batches, update, now and then
 * validate and write the state.
 *
 * <p>The windows of an update depend on the seed and the update's number alone, so a run that was
 * stopped and resumed learns from the same ones as a run that was not.
 */
final class Trainer implements AutoCloseable {
  /** What a run needs to go on, and its losses, lie in this folder of the model's directory. */
  static final String DIRECTORY = "training";

  static final String STATE = "train.state";
  static final String LOSSES = "loss.jsonl";

  private static final int VALIDATION_WINDOWS = 64;

  private final TrainOptions options;
  private final Corpus corpus;
  private final @Nullable Corpus validation;
  private final TrainListener listener;
  private final LossLog log;
  private final Path state;
  private final RunKey run;
  private final LlamaModule model;
  private final Workers workers;
  private final AdamW optimizer;
  private final int window;
  private long done;

  Trainer(
      TrainOptions options,
      LlamaShape shape,
      Corpus corpus,
      @Nullable Corpus validation,
      RunKey run,
      TrainListener listener) {
    this.options = options;
    this.corpus = corpus;
    this.validation = validation;
    this.listener = listener;
    this.run = run;
    this.window = shape.context();
    Path directory = options.out().resolve(DIRECTORY);
    state = directory.resolve(STATE);
    model = new LlamaModule(shape, options.compute());
    workers = new Workers(model, options.microBatch(), Workers.layout(options));
    optimizer = new AdamW(model.parameters(), 0.9, 0.95, 1e-8, options.weightDecay());
    if (options.resume()) {
      done = TrainState.load(state, run, model.parameters(), optimizer);
      listener.note("resuming after step %,d of %,d".formatted(done, options.steps()));
    } else {
      model.parameters().initialize(shape, options.seed());
    }
    log = new LossLog(directory.resolve(LOSSES), done);
  }

  LlamaModule model() {
    return model;
  }

  long done() {
    return done;
  }

  /** Trains to the last step, or until {@code stop} says so; the state is on disk afterwards. */
  void run(BooleanSupplier stop) {
    long saved = System.nanoTime();
    Speed speed = new Speed();
    while (done < options.steps() && !stop.getAsBoolean()) {
      TrainListener.Progress progress = update(done + 1, speed);
      done++;
      log.train(progress);
      listener.progress(progress);
      if (validation != null && (done % options.evaluateEvery() == 0 || done == options.steps())) {
        double loss = validate(validation);
        log.validation(done, loss);
        listener.validated(done, loss);
      }
      if (System.nanoTime() - saved > options.checkpointSeconds() * 1_000_000_000L) {
        save();
        saved = System.nanoTime();
      }
    }
    save();
  }

  private void save() {
    log.flush();
    TrainState.save(state, run, done, model.parameters(), optimizer);
  }

  private TrainListener.Progress update(long step, Speed speed) {
    long begin = System.nanoTime();
    RandomGenerator random =
        RandomGeneratorFactory.of("L64X128MixRandom")
            .create(options.seed() * 0x9E3779B97F4A7C15L + step);
    long[] ids = new long[options.batch() * window];
    long[] targets = new long[options.batch() * window];
    corpus.draw(random, options.batch(), window, ids, targets);
    double loss = workers.accumulate(ids, targets);
    double rate = options.learningRate(step);
    double norm = optimizer.step(step, rate, options.clip());
    speed.add(options.tokensPerStep(), System.nanoTime() - begin);
    double left = (options.steps() - step) * options.tokensPerStep() / speed.tokensPerSecond();
    return new TrainListener.Progress(
        step, options.steps(), loss, rate, norm, speed.tokensPerSecond(), left);
  }

  /** Mean loss over fixed windows of the validation text. */
  private double validate(Corpus text) {
    long[] ids = new long[VALIDATION_WINDOWS * window];
    long[] targets = new long[VALIDATION_WINDOWS * window];
    int windows = text.fixed(VALIDATION_WINDOWS, window, ids, targets);
    return workers.loss(
        Arrays.copyOf(ids, windows * window), Arrays.copyOf(targets, windows * window));
  }

  @Override
  public void close() {
    log.close();
    optimizer.close();
    workers.close();
    model.close();
  }

  /** Tokens per second, the last updates counting most. */
  private static final class Speed {
    private double tokens;
    private double seconds;

    void add(long more, long nanos) {
      tokens = 0.95 * tokens + more;
      seconds = 0.95 * seconds + nanos / 1e9;
    }

    double tokensPerSecond() {
      return tokens / Math.max(seconds, 1e-9);
    }
  }
}
