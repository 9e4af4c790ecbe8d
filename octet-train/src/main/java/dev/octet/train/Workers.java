package dev.octet.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Data-parallel training on one machine: every thread runs whole micro-batches on the shared values
 * with gradients of its own, which are added up in a fixed order.
 *
 * <p>On a CPU this wastes far less than splitting every small operation over all cores, and it does
 * not slow down to a crawl when another program takes one of them.
 */
final class Workers implements AutoCloseable {
  private final List<LlamaModule> modules = new ArrayList<>();
  private final List<ExecutorService> threads = new ArrayList<>();
  private final int microBatch;
  private final int window;

  /** The first worker uses {@code model} itself, so that its gradients become the sum. */
  Workers(LlamaModule model, int microBatch, Layout layout) {
    this.microBatch = microBatch;
    this.window = model.shape().context();
    for (int i = 0; i < layout.workers(); i++) {
      modules.add(i == 0 ? model : model.replica());
      ExecutorService thread =
          Executors.newSingleThreadExecutor(
              Thread.ofPlatform().name("octet-train-", i).daemon(true).factory());
      threads.add(thread);
      // OpenMP keeps this setting for each thread on its own.
      await(thread.submit(() -> torch.set_num_threads(layout.threadsEach())));
    }
  }

  /** How many workers, and how many threads libtorch gives each. */
  record Layout(int workers, int threadsEach) {}

  static Layout layout(TrainOptions options) {
    int cores =
        options.threads() > 0 ? options.threads() : Runtime.getRuntime().availableProcessors();
    int workers = Math.min(cores, options.batch() / options.microBatch());
    return new Layout(workers, Math.max(1, cores / workers));
  }

  static int threadsEach(TrainOptions options) {
    return layout(options).threadsEach();
  }

  /** Adds the gradient of the mean loss of all windows to the model's, and returns that loss. */
  double accumulate(long[] ids, long[] targets) {
    double loss = run(ids, targets, true);
    try (PointerScope _ = new PointerScope();
        Gradients _ = Gradients.off()) {
      Tensor sum = modules.getFirst().parameters().gradients();
      for (LlamaModule module : modules.subList(1, modules.size())) {
        sum.add_(module.parameters().gradients());
        module.parameters().gradients().zero_();
      }
    }
    return loss;
  }

  /** Mean loss of some windows, without gradients. */
  double loss(long[] ids, long[] targets) {
    return run(ids, targets, false);
  }

  private double run(long[] ids, long[] targets, boolean learn) {
    int part = microBatch * window;
    int parts = (ids.length + part - 1) / part;
    double[] losses = new double[parts];
    List<Future<?>> running = new ArrayList<>();
    for (int w = 0; w < modules.size(); w++) {
      int first = w;
      LlamaModule module = modules.get(w);
      running.add(
          threads
              .get(w)
              .submit(
                  () -> {
                    for (int p = first; p < parts; p += modules.size()) {
                      int from = p * part;
                      int to = Math.min(from + part, ids.length);
                      double share = (double) (to - from) / ids.length;
                      losses[p] =
                          share
                              * one(
                                  module,
                                  Arrays.copyOfRange(ids, from, to),
                                  Arrays.copyOfRange(targets, from, to),
                                  share,
                                  learn);
                    }
                  }));
    }
    running.forEach(Workers::await);
    return Arrays.stream(losses).sum();
  }

  private double one(LlamaModule module, long[] ids, long[] targets, double share, boolean learn) {
    try (PointerScope _ = new PointerScope();
        Gradients _ = learn ? Gradients.on() : Gradients.off()) {
      Tensor in = Tensor.create(ids, ids.length / window, window);
      Tensor loss = module.loss(in, Tensor.create(targets));
      if (learn) {
        loss.mul(new Scalar(share)).backward();
      }
      return loss.item_double();
    }
  }

  private static void await(Future<?> future) {
    try {
      future.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TrainException("interrupted", e);
    } catch (ExecutionException e) {
      throw new TrainException("training failed: " + e.getCause(), e);
    }
  }

  @Override
  public void close() {
    threads.forEach(ExecutorService::shutdownNow);
    modules.subList(1, modules.size()).forEach(LlamaModule::close);
  }
}
