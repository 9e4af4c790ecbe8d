package dev.octet.engine;

import dev.octet.model.CausalLm;
import dev.octet.model.SequenceStep;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Generates text with a model: prompts in one go, then token by token. Model and tokenizer belong
 * to the caller; caches live as long as a call. Calls from several threads wait for each other at
 * the model.
 */
public final class Generator {
  private final CausalLm model;
  private final @Nullable Tokenizer tokenizer;

  /**
   * @param tokenizer for text and stop strings; null = token ids only
   */
  public Generator(CausalLm model, @Nullable Tokenizer tokenizer) {
    this.model = model;
    this.tokenizer = tokenizer;
  }

  /**
   * Continues one prompt.
   *
   * @throws IllegalArgumentException if the prompt is empty, longer than the model's context or
   *     holds ids outside the vocabulary
   * @throws dev.octet.tensor.NotFiniteException if the logits hold NaN
   */
  public Generation generate(int[] prompt, SamplingParams params, TokenListener listener) {
    return generateBatch(List.of(new GenerationRequest(prompt, params)), listener).getFirst();
  }

  /**
   * Continues several prompts side by side. Each stops on its own and leaves the batch; its tokens
   * are those it would have alone, but for ties that F32 rounding decides: sums of several rows at
   * once round differently.
   */
  public List<Generation> generateBatch(List<GenerationRequest> requests, TokenListener listener) {
    List<RunningSequence> all = new ArrayList<>();
    try (Arena arena = Arena.ofShared()) { // the kernels' threads write to it
      SegmentAllocator logits = SegmentAllocator.prefixAllocator(logits(arena, requests.size()));
      for (int i = 0; i < requests.size(); i++) {
        all.add(new RunningSequence(i, requests.get(i), model, tokenizer));
      }
      long started = System.nanoTime();
      List<RunningSequence> running = List.copyOf(all);
      while (!running.isEmpty()) {
        step(running, listener, logits);
        running = running.stream().filter(s -> !s.isFinished()).toList();
      }
      return all.stream().map(s -> s.result(started)).toList();
    } finally {
      all.forEach(RunningSequence::close);
    }
  }

  /** Memory that every step writes its logits to: making it anew costs more than small kernels. */
  private MemorySegment logits(Arena arena, int rows) {
    long bytes = Tensor.byteSize(DType.F32, rows, model.config().vocabSize());
    return arena.allocate(bytes, Tensor.ALIGNMENT);
  }

  private void step(
      List<RunningSequence> running, TokenListener listener, SegmentAllocator memory) {
    List<SequenceStep> batch = running.stream().map(RunningSequence::next).toList();
    Tensor logits = model.forward(batch, true, memory);
    for (int i = 0; i < running.size(); i++) {
      running.get(i).advance(logits.row(i).toFloats(), listener);
    }
  }
}
