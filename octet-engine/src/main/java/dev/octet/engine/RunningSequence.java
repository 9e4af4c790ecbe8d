package dev.octet.engine;

import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.SequenceStep;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** One sequence while it is generated: its cache, its sampler, its text so far. */
final class RunningSequence implements AutoCloseable {
  private final int index;
  private final GenerationRequest request;
  private final CausalLm model;
  private final KvCache cache;
  private final Sampler sampler;
  private final @Nullable StreamingDetokenizer detokenizer;
  private final StopStrings stops;
  private final StringBuilder text = new StringBuilder();
  private int[] ids = new int[16];
  private int count;
  private long firstTokenNanos;
  private long lastTokenNanos;
  private @Nullable FinishReason finished;

  RunningSequence(int index, GenerationRequest request, CausalLm model, @Nullable Tokenizer t) {
    SamplingParams params = request.params();
    if (t == null && !params.stop().isEmpty()) {
      throw new IllegalArgumentException("stop strings need a tokenizer");
    }
    model.requireTokens(request.prompt());
    this.index = index;
    this.request = request;
    this.model = model;
    this.sampler = new Sampler(params, request.prompt());
    this.detokenizer = t == null ? null : t.streaming(request.prompt(), true);
    this.stops = new StopStrings(params.stop());
    this.cache = model.newCache();
  }

  /** What the model is to run next: the prompt, then one token at a time. */
  SequenceStep next() {
    return new SequenceStep(count == 0 ? request.prompt() : new int[] {ids[count - 1]}, cache);
  }

  boolean isFinished() {
    return finished != null;
  }

  /** Chooses a token from the logits and tells the listener. */
  void advance(float[] logits, TokenListener listener) {
    int id = sampler.next(logits);
    if (count == ids.length) {
      ids = Arrays.copyOf(ids, 2 * count);
    }
    ids[count++] = id;
    lastTokenNanos = System.nanoTime();
    if (count == 1) {
      firstTokenNanos = lastTokenNanos;
    }
    String delta = accept(id);
    text.append(delta);
    if (!listener.onToken(index, id, delta) && finished == null) {
      finished = FinishReason.CANCELLED;
    }
  }

  private String accept(int id) {
    if (endsAt(id)) {
      finished = FinishReason.STOP;
      return rest("");
    }
    String delta = stops.push(detokenizer == null ? "" : detokenizer.push(id));
    if (stops.found()) {
      finished = FinishReason.STOP;
    } else if (count == request.params().maxTokens() || cache.length() >= model.contextLength()) {
      finished = FinishReason.LENGTH;
      return rest(delta);
    }
    return delta;
  }

  private boolean endsAt(int id) {
    SamplingParams params = request.params();
    return params.stopTokenIds().contains(id)
        || !params.ignoreEos() && model.config().eosTokenIds().contains(id);
  }

  /** {@code delta} and what detokenizer and stop strings still hold back. */
  private String rest(String delta) {
    String last = detokenizer == null ? "" : stops.push(detokenizer.finish());
    return delta + last + stops.finish();
  }

  /**
   * @param started when the prefill began, in {@link System#nanoTime}
   */
  Generation result(long started) {
    return new Generation(
        Arrays.copyOf(ids, count),
        text.toString(),
        finished == null ? FinishReason.CANCELLED : finished,
        request.prompt().length,
        (firstTokenNanos - started) / 1e9,
        (lastTokenNanos - firstTokenNanos) / 1e9);
  }

  @Override
  public void close() {
    cache.close();
  }
}
