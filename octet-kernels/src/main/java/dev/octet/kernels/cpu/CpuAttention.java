package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.attention.AttentionShapes;
import dev.octet.kernels.attention.BlockPool;
import dev.octet.kernels.attention.GivenKv;
import dev.octet.kernels.attention.KeyAngles;
import dev.octet.kernels.attention.KvFormat;
import dev.octet.kernels.attention.KvMemory;
import dev.octet.kernels.attention.KvWriter;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.kernels.attention.StaticOffsets;
import dev.octet.kernels.vector.Operand;
import dev.octet.tensor.NotFiniteException;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/**
 * Attention in C. Work is split by key/value head and row block and, where that makes few tasks
 * (decoding), by keys as well; how depends on the shapes alone, so the result does not depend on
 * the number of threads.
 *
 * <p>INT-FlashAttention, a yardstick, and keys with BF16 channels ({@link KvFormat#tail}) are left
 * to the vector provider, which {@link #detour} says.
 */
final class CpuAttention implements AttentionKernels, KvWriter, AutoCloseable {
  /** Rows that share a tile once it is unpacked; their outputs fit the L2 cache. */
  private static final int ROW_BLOCK = 256;

  /** Heads and row blocks that are tasks enough: keys are not split, nothing is merged. */
  private static final int ENOUGH_TASKS = 32;

  /** Tasks that keys are split for, if there are fewer. */
  private static final int TASKS = 64;

  /** Blocks of keys that a split has at least. */
  private static final int SPLIT_BLOCKS = 16;

  /** Rows that C multiplies with the cache as it is read: decoding. */
  private static final int FEW_ROWS = 8;

  /** Blocks from which on it is memory that decoding waits for: a task then reads whole ones. */
  private static final int LONG_BLOCKS = 256;

  /** Elements of the result that a task frees of offsets. */
  private static final int PART = 1 << 14;

  /** OCTET_NOT_FINITE of {@code octet.h}. */
  private static final int NOT_FINITE = 3;

  /** Tokens from which on heads and blocks are written by several threads. */
  private static final int APPEND_TOKENS = 8;

  private final WorkPool pool;
  private final AttentionKernels vector;
  private final BlockPool memory = new BlockPool(HugePages::allocate);
  private final MethodHandle attend;
  private final MethodHandle merge;
  private final MethodHandle removeOffsets;
  private final MethodHandle scratchBytes;
  private final MethodHandle append;
  private final MethodHandle appendScratchBytes;
  private final ThreadLocal<AttentionCall> calls = ThreadLocal.withInitial(AttentionCall::new);
  private final ThreadLocal<MemorySegment> scratch =
      ThreadLocal.withInitial(() -> MemorySegment.NULL);

  CpuAttention(WorkPool pool, NativeKernels library, AttentionKernels vector) {
    this.pool = pool;
    this.vector = vector;
    this.attend =
        library.entry(
            "octet_attend",
            ADDRESS,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            ADDRESS,
            JAVA_LONG);
    this.merge = library.entry("octet_attend_merge", ADDRESS, JAVA_INT);
    this.removeOffsets = library.entry("octet_remove_offsets", ADDRESS, JAVA_INT, JAVA_INT);
    this.append =
        library.entry(
            "octet_append",
            ADDRESS,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            JAVA_LONG);
    this.appendScratchBytes = library.entry("octet_append_scratch", ADDRESS, ADDRESS);
    this.scratchBytes = library.entry("octet_attend_scratch", ADDRESS, JAVA_INT, JAVA_INT, ADDRESS);
  }

  @Override
  public @Nullable String detour(AttentionKind kind, KvSpec cache) {
    KvFormat format = KvFormat.of(cache);
    if (isInC(kind, format)) {
      return null;
    }
    boolean tail = KvFormat.tail(format.keyDim(), format.valueDim()) > 0;
    return "attention %s%s has no kernel in C: the vector provider computes it, slower; %s"
        .formatted(
            kind.label(),
            tail ? " over keys wider than values" : "",
            tail ? "bf16 over a bf16 cache has one" : "int8 has one");
  }

  @Override
  public KvLayer newKvLayer(KvSpec spec) {
    return new PagedKvLayer(spec, this);
  }

  @Override
  public void attend(
      AttentionKind kind,
      AttentionSpec spec,
      Tensor q,
      KvLayer kv,
      Tensor out,
      @Nullable Tensor lse) {
    PagedKvLayer stored = PagedKvLayer.of(kv);
    AttentionKind computed = stored.computed(kind);
    if (!isInC(computed, stored.format())) {
      vector.attend(kind, spec, q, kv, out, lse);
      return;
    }
    Tensor mask = spec.mask();
    if (!(reachable(q) && reachable(out) && reachable(lse) && reachable(mask))) {
      vector.attend(kind, spec, q, kv, out, lse);
      return;
    }
    AttentionShapes shapes = AttentionShapes.check(spec, q, stored, out, lse);
    if (shapes.queries() == 0) {
      return;
    }
    if (mask != null && !mask.isContiguous()) {
      throw new IllegalArgumentException("mask " + mask + " must be contiguous");
    }
    try (Operand operand = Operand.of(computed, stored, pool)) {
      run(computed, spec, shapes, operand, stored.offsets(), q, out, lse);
    } finally {
      // C was given addresses only.
      Reference.reachabilityFence(q);
      Reference.reachabilityFence(kv);
      Reference.reachabilityFence(out);
      Reference.reachabilityFence(lse);
      Reference.reachabilityFence(mask);
    }
  }

  @Override
  public void attend(
      AttentionKind kind,
      AttentionSpec spec,
      Tensor q,
      Tensor keys,
      Tensor values,
      Tensor out,
      @Nullable Tensor lse) {
    try (PagedKvLayer stored = GivenKv.store(kind, keys, values, this)) {
      attend(kind, spec, q, stored, out, lse);
    }
  }

  @Override
  public KvMemory memory() {
    return memory;
  }

  @Override
  public boolean writes(KvFormat format) {
    return format.body() == format.keyDim();
  }

  @Override
  public void write(
      PagedKvLayer layer,
      int first,
      int tokens,
      int keysFrom,
      Tensor keys,
      Tensor values,
      @Nullable KeyAngles angles) {
    if (angles != null) {
      angles.require(tokens, layer.format().keyDim());
    }
    write(layer, first, tokens, keysFrom, keys.segment(), values.segment(), angles);
  }

  @Override
  public void writeKeys(PagedKvLayer layer, Tensor keys) {
    try {
      write(layer, 0, (int) keys.dim(0), 0, keys.segment(), MemorySegment.NULL, null);
    } finally {
      Reference.reachabilityFence(keys);
    }
  }

  private void write(
      PagedKvLayer layer,
      int first,
      int tokens,
      int keysFrom,
      MemorySegment keys,
      MemorySegment values,
      @Nullable KeyAngles angles) {
    int heads = layer.format().heads();
    int end = first + tokens;
    MemorySegment layout = calls.get().writeLayout(layer, first, end, angles).asReadOnly();
    long bytes = appendScratchBytes(layout);
    try {
      if (tokens < APPEND_TOKENS) {
        append(layout, 0, heads, first, first, end, keysFrom, keys, values, bytes);
        return;
      }
      int firstBlock = first / KvSpec.BLOCK;
      int blocks = Math.ceilDiv(end, KvSpec.BLOCK) - firstBlock;
      pool.run(
          blocks * heads,
          task -> {
            int block = firstBlock + task / heads;
            int from = Math.max(first, block * KvSpec.BLOCK);
            int to = Math.min(end, from - from % KvSpec.BLOCK + KvSpec.BLOCK);
            append(layout, task % heads, 1, first, from, to, keysFrom, keys, values, bytes);
          });
    } finally {
      Reference.reachabilityFence(layer);
      Reference.reachabilityFence(angles);
    }
  }

  /**
   * Whether C can be given the address of a tensor: what lies in Java arrays has none.
   *
   * @throws IllegalStateException if its memory was given back
   */
  private static boolean reachable(@Nullable Tensor tensor) {
    if (tensor == null) {
      return true;
    }
    if (!tensor.segment().scope().isAlive()) {
      throw new IllegalStateException("the memory of " + tensor + " was given back");
    }
    return tensor.segment().isNative();
  }

  private static boolean isInC(AttentionKind kind, KvFormat format) {
    boolean tail = KvFormat.tail(format.keyDim(), format.valueDim()) > 0;
    return switch (kind) {
      case F32, BF16 -> !tail || !format.rotatedKeys();
      case INT8, INT8_FAST, INT8_BF16 -> !tail;
      case INT_FLASH, INT_FLASH_HALF -> false;
    };
  }

  private void run(
      AttentionKind kind,
      AttentionSpec spec,
      AttentionShapes shapes,
      Operand operand,
      @Nullable StaticOffsets offsets,
      Tensor q,
      Tensor out,
      @Nullable Tensor lse) {
    int heads = operand.kv().spec().heads();
    int blocks = operand.kv().blocks();
    int rows = Math.multiplyExact(shapes.queries(), shapes.group());
    int rowBlocks = Math.ceilDiv(rows, ROW_BLOCK);
    int atOnce = rows <= FEW_ROWS && blocks >= LONG_BLOCKS ? heads : 1;
    int groups = heads / atOnce;
    int splits = splits(groups * rowBlocks, blocks);
    MemorySegment call =
        calls.get().write(kind, spec, shapes, operand, q, out, lse, splits, offsets).asReadOnly();
    long bytes = scratchBytes(call, atOnce, Math.min(rows, ROW_BLOCK));
    // Later rows see more keys: hand them out first.
    pool.run(
        groups * rowBlocks * splits,
        task -> {
          int split = task % splits;
          int head = task / splits % groups * atOnce;
          int first = (rowBlocks - 1 - task / splits / groups) * ROW_BLOCK;
          int count = Math.min(ROW_BLOCK, rows - first);
          int from = (int) ((long) blocks * split / splits);
          int to = (int) ((long) blocks * (split + 1) / splits);
          attend(call, head, atOnce, first, count, from, to, split, bytes);
        });
    if (splits > 1) {
      pool.run(heads, head -> merge(call, head));
    }
    if (offsets != null) {
      int each = Math.max(1, PART / Math.max(1, shapes.heads() * shapes.valueDim()));
      pool.run(
          Math.ceilDiv(shapes.queries(), each),
          i -> removeOffsets(call, i * each, Math.min(shapes.queries(), (i + 1) * each)));
    }
  }

  private static int splits(int tasks, int blocks) {
    return tasks >= ENOUGH_TASKS ? 1 : Math.max(1, Math.min(TASKS / tasks, blocks / SPLIT_BLOCKS));
  }

  private long scratchBytes(MemorySegment call, int heads, int rows) {
    MemorySegment room = scratch(64);
    try {
      NativeKernels.check(
          (int) scratchBytes.invokeExact(call, heads, rows, room), "octet_attend_scratch");
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    return room.get(JAVA_LONG, 0);
  }

  private void attend(
      MemorySegment call,
      int head,
      int heads,
      int first,
      int count,
      int from,
      int to,
      int split,
      long scratchBytes) {
    MemorySegment room = scratch(scratchBytes);
    try {
      NativeKernels.check(
          (int)
              attend.invokeExact(
                  call, head, heads, first, count, from, to, split, room, room.byteSize()),
          "octet_attend");
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
  }

  private long appendScratchBytes(MemorySegment layout) {
    MemorySegment room = scratch(64);
    try {
      NativeKernels.check(
          (int) appendScratchBytes.invokeExact(layout, room), "octet_append_scratch");
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    return room.get(JAVA_LONG, 0);
  }

  private void append(
      MemorySegment layout,
      int head,
      int heads,
      int first,
      int from,
      int to,
      int keysFrom,
      MemorySegment keys,
      MemorySegment values,
      long scratchBytes) {
    MemorySegment room = scratch(scratchBytes);
    int status;
    try {
      status =
          (int)
              append.invokeExact(
                  layout,
                  head,
                  heads,
                  first,
                  from,
                  to,
                  keysFrom,
                  keys,
                  values,
                  room,
                  room.byteSize());
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    if (status == NOT_FINITE) {
      throw new NotFiniteException(
          "NaN or an infinity cannot be stored in an INT8 cache with static scales");
    }
    NativeKernels.check(status, "octet_append");
  }

  private void merge(MemorySegment call, int head) {
    try {
      NativeKernels.check((int) merge.invokeExact(call, head), "octet_attend_merge");
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
  }

  private void removeOffsets(MemorySegment call, int from, int to) {
    try {
      NativeKernels.check((int) removeOffsets.invokeExact(call, from, to), "octet_remove_offsets");
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
  }

  /** The calling thread's working memory. */
  private MemorySegment scratch(long bytes) {
    MemorySegment room = scratch.get();
    if (room.byteSize() < bytes) {
      room = Arena.ofAuto().allocate(bytes, Tensor.ALIGNMENT);
      scratch.set(room);
    }
    return room;
  }

  /** Caches that are in use stay as they are. */
  @Override
  public void close() {
    memory.close();
  }
}
