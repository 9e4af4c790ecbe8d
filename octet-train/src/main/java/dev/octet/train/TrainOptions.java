package dev.octet.train;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * All that decides a training run; made once at the edge, validated here.
 *
 * @param text files to train on ({@code --text}); the vocabulary is learned from them too
 * @param validation files whose loss is measured now and then, never trained on ({@code
 *     --validation}); may be empty
 * @param out directory for the model, its state and the loss log ({@code --out})
 * @param tokenizer a {@code tokenizer.json} written by an earlier run, to use instead of learning a
 *     vocabulary ({@code --tokenizer})
 * @param shape sizes of the model; {@code vocabSize} is the vocabulary wanted
 * @param steps number of optimizer updates ({@code --steps})
 * @param batch windows of {@code shape.context()} tokens an update ({@code --batch})
 * @param microBatch windows computed at once; must divide {@code batch}
 * @param learningRate highest rate, reached after warm-up ({@code --lr})
 * @param warmup updates over which the rate rises from 0 ({@code --warmup})
 * @param weightDecay decoupled decay of matrices
 * @param clip largest 2-norm of the gradient
 * @param seed decides the initial weights and the windows drawn ({@code --seed})
 * @param compute number format of the linear layers ({@code --dtype bf16|f32})
 * @param checkpointSeconds time between two writes of the state ({@code --checkpoint-every})
 * @param evaluateEvery updates between two measurements of the validation loss
 * @param resume go on from the state in {@code out} ({@code --resume})
 * @param threads threads for libtorch, 0 for one a core ({@code --threads})
 */
public record TrainOptions(
    List<TextSource> text,
    List<TextSource> validation,
    Path out,
    @Nullable Path tokenizer,
    LlamaShape shape,
    long steps,
    int batch,
    int microBatch,
    double learningRate,
    int warmup,
    double weightDecay,
    double clip,
    long seed,
    ComputeType compute,
    int checkpointSeconds,
    int evaluateEvery,
    boolean resume,
    int threads) {

  /** Refuses what no run could use, naming the option. */
  public TrainOptions {
    text = List.copyOf(text);
    validation = List.copyOf(validation);
    check(!text.isEmpty(), "--text: name at least one file to train on");
    check(steps >= 1, "--steps must be at least 1, not " + steps);
    check(batch >= 1 && batch <= 1 << 16, "--batch must lie between 1 and 65536, not " + batch);
    check(
        microBatch >= 1 && batch % microBatch == 0,
        "--micro-batch (%d) must divide --batch (%d)".formatted(microBatch, batch));
    check(learningRate > 0 && learningRate <= 1, "--lr must lie above 0 and at most 1");
    check(warmup >= 0, "--warmup must not be negative");
    check(weightDecay >= 0 && weightDecay < 1, "--weight-decay must lie between 0 and 1");
    check(clip > 0, "--clip must be positive");
    check(checkpointSeconds >= 1, "--checkpoint-every must be at least one second");
    check(evaluateEvery >= 1, "--evaluate-every must be at least 1");
    check(threads >= 0 && threads <= 4096, "--threads must lie between 0 and 4096");
    check(
        shape.vocabSize() >= 258,
        "--vocab-size must be at least 258 (256 bytes and 2 special tokens), not "
            + shape.vocabSize());
    check(
        (long) microBatch * shape.context() <= 1 << 24,
        "--micro-batch times --context is too large");
    check((long) batch * shape.context() <= 1 << 28, "--batch times --context is too large");
  }

  private static void check(boolean holds, String message) {
    if (!holds) {
      throw new TrainException(message);
    }
  }

  /** The learning rate of an update, from 1: linear warm-up, then a cosine down to a twentieth. */
  double learningRate(long step) {
    if (step <= warmup) {
      return learningRate * step / warmup;
    }
    double progress = Math.min(1.0, (double) (step - warmup) / Math.max(1, steps - warmup));
    double floor = 0.05 * learningRate;
    return floor + (learningRate - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
  }

  /** Tokens an update learns from. */
  long tokensPerStep() {
    return (long) batch * shape.context();
  }
}
