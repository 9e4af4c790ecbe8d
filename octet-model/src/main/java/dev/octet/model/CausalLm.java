package dev.octet.model;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A language model ready to run: tokens in, logits out.
 *
 * <p>Ownership: the weights' source and the kernels belong to the caller and must stay open until
 * this model is closed, since weights are used where they lie. The model owns its activation
 * buffers and the norms it decoded; closing frees both at once. Caches are closed by whoever made
 * them.
 *
 * <p>Threads: one pass at a time, because passes share their buffers; calls from several threads
 * wait for each other. Within a pass the kernels' pool works in parallel.
 */
public final class CausalLm implements AutoCloseable {
  /** Rows of a pass: long prompts go through in pieces, so that memory does not grow with them. */
  static final int DEFAULT_PASS_ROWS = 512;

  private final ModelConfig config;
  private final Kernels kernels;
  private final RunOptions options;
  private final int passRows;
  private final int contextLength;
  private final List<LayerAttention> attention;
  private final List<String> notices;
  private final Rotary rotary;
  private final Transformer transformer;
  private final Arena weightArena;
  private @Nullable Arena activationArena;
  private @Nullable Activations activations;
  private boolean closed;

  private CausalLm(
      WeightSource source, Kernels kernels, RunOptions options, int rows, Arena arena) {
    this.config = source.config();
    this.kernels = kernels;
    this.options = options;
    this.passRows = rows;
    this.contextLength = Rotary.contextLength(config);
    this.attention = KvPlan.of(source, options);
    this.rotary = new Rotary(config);
    InputScales inputs = new InputScales();
    this.transformer = new Transformer(new ModuleLoader(source, kernels, arena, inputs), attention);
    options.scalePolicy().enforce(inputs.problems());
    this.notices = new ArrayList<>(source.notices());
    this.notices.addAll(ScaleReport.of(source).problems());
    this.notices.addAll(inputs.problems());
    attention.stream()
        .map(how -> kernels.attention().detour(how.kind(), how.cache()))
        .filter(Objects::nonNull)
        .distinct()
        .forEach(notices::add);
    this.weightArena = arena;
  }

  /**
   * Prepares every layer; dense and 8-bit weights are used where they lie, others packed once.
   *
   * @throws dev.octet.checkpoint.CheckpointException if a weight is absent or damaged
   * @throws IllegalArgumentException if a weight has not the shape that the config gives it
   */
  public static CausalLm load(WeightSource weights, Kernels kernels, RunOptions options) {
    return load(weights, kernels, options, DEFAULT_PASS_ROWS);
  }

  /** With another limit to the rows of a pass. */
  static CausalLm load(WeightSource weights, Kernels kernels, RunOptions options, int passRows) {
    Arena arena = Arena.ofShared();
    try {
      return new CausalLm(weights, kernels, options, passRows, arena);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  public ModelConfig config() {
    return config;
  }

  public Kernels kernels() {
    return kernels;
  }

  /** As given; {@link #attention} and {@link #kvType} say what open choices became. */
  public RunOptions options() {
    return options;
  }

  /** What is odd about the weights' scales, one line each, for the person who loaded them. */
  public List<String> notices() {
    return Collections.unmodifiableList(notices);
  }

  /** How attention is computed; layers without calibrated scales may differ. */
  public AttentionKind attention() {
    return KvPlan.prevailing(attention).kind();
  }

  /** What keys and values are stored as; layers without calibrated scales may differ. */
  public KvType kvType() {
    return KvPlan.prevailing(attention).cache().type();
  }

  /** Longest sequence: {@code max_position_embeddings}, stretched as the rope scaling says. */
  public int contextLength() {
    return contextLength;
  }

  /** The same before a model is loaded. */
  public static int contextLength(ModelConfig config) {
    return Rotary.contextLength(config);
  }

  /** Bytes of all weights in memory, scales included. */
  public long weightBytes() {
    return transformer.byteSize();
  }

  /** An empty cache for one sequence; the caller closes it. */
  public KvCache newCache() {
    List<KvSpec> specs = attention.stream().map(LayerAttention::cache).toList();
    return new KvCache(this, kernels.attention(), specs);
  }

  /**
   * Runs the tokens that follow what the cache holds, and appends them to it. If anything fails,
   * the cache is left as it was.
   *
   * @param lastOnly whether only the last token's logits are wanted
   * @return F32 [ids.length or 1, vocab], garbage-collected
   * @throws IllegalArgumentException if there is no token, one is outside the vocabulary, or the
   *     sequence grows beyond {@link #contextLength}
   */
  public Tensor forward(int[] ids, KvCache cache, boolean lastOnly) {
    return forward(List.of(new SequenceStep(ids, cache)), lastOnly);
  }

  /** The same for several sequences at once; logits are packed in their order. */
  public Tensor forward(List<SequenceStep> batch, boolean lastOnly) {
    return forward(batch, lastOnly, Arena.ofAuto());
  }

  /**
   * The same with the result in the caller's memory: an arena, or what gives out the same memory
   * again for every step. It must be usable from any thread; what is in it does not matter.
   */
  public Tensor forward(List<SequenceStep> batch, boolean lastOnly, SegmentAllocator memory) {
    return forward(batch, lastOnly, memory, LayerTap.NONE);
  }

  /** The same with a look at the residual stream after every layer. */
  public synchronized Tensor forward(
      List<SequenceStep> batch, boolean lastOnly, SegmentAllocator memory, LayerTap tap) {
    requireRunnable(batch);
    int[] lengths = batch.stream().mapToInt(step -> step.cache().length()).toArray();
    try {
      return run(Pass.plan(batch, rotary, passRows, lastOnly), memory, tap);
    } catch (RuntimeException | Error e) {
      for (int i = 0; i < lengths.length; i++) {
        batch.get(i).cache().cut(lengths[i]);
      }
      throw e;
    }
  }

  private Tensor run(List<Pass> passes, SegmentAllocator memory, LayerTap tap) {
    long rows = passes.stream().mapToLong(pass -> pass.wanted().length).sum();
    long bytes = Tensor.byteSize(DType.F32, rows, config.vocabSize());
    MemorySegment segment = memory.allocate(bytes, Tensor.ALIGNMENT);
    Tensor logits = Tensor.of(DType.F32, segment, rows, config.vocabSize());
    long done = 0;
    for (Pass pass : passes) {
      long end = done + pass.wanted().length;
      transformer.forward(pass, buffers(pass.rows()), logits.rowRange(done, end), tap);
      done = end;
    }
    return logits;
  }

  /** Buffers of exactly {@code rows} rows, cut from ones that grow to the largest pass seen. */
  private Activations buffers(int rows) {
    if (activations == null || activations.capacity() < rows) {
      freeActivations();
      activationArena = Arena.ofShared();
      activations = Activations.allocate(activationArena, config, rows);
    }
    return activations.first(rows);
  }

  private void requireRunnable(List<SequenceStep> batch) {
    if (closed) {
      throw new IllegalStateException("the model has been closed");
    }
    if (batch.isEmpty()) {
      throw new IllegalArgumentException("a batch needs at least one sequence");
    }
    Set<KvCache> seen = new HashSet<>();
    for (SequenceStep step : batch) {
      step.cache().requireUsableBy(this);
      if (!seen.add(step.cache())) {
        throw new IllegalArgumentException("two steps of a batch share a KV cache");
      }
      requireFits(step);
    }
  }

  /**
   * Checks ids before anything is made of them.
   *
   * @throws IllegalArgumentException if one is outside the vocabulary
   */
  public void requireTokens(int[] ids) {
    for (int id : ids) {
      if (id < 0 || id >= config.vocabSize()) {
        throw new IllegalArgumentException(
            "token id " + id + " is outside the vocabulary of " + config.vocabSize());
      }
    }
  }

  private void requireFits(SequenceStep step) {
    requireTokens(step.ids());
    long length = (long) step.cache().length() + step.ids().length;
    if (length > contextLength) {
      throw new IllegalArgumentException(
          length + " tokens exceed the model's context of " + contextLength);
    }
  }

  private void freeActivations() {
    if (activationArena != null) {
      activationArena.close();
      activationArena = null;
      activations = null;
    }
  }

  /** Frees norms and buffers at once; source and kernels stay the caller's. Idempotent. */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      freeActivations();
      weightArena.close();
    }
  }
}
