package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.attention.AttentionShapes;
import dev.octet.kernels.attention.KeyAngles;
import dev.octet.kernels.attention.KvFormat;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.kernels.attention.Rotation;
import dev.octet.kernels.attention.StaticOffsets;
import dev.octet.kernels.vector.Operand;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Writes {@code octet_attention} of {@code attention.h} and what it points to. The memory is kept
 * for the next call of the same thread: a decode step is too short to allocate.
 *
 * <p>Tensors and blocks are passed as bare addresses, so that every thread of the pool can use them
 * and none has to be acquired; whoever makes the call keeps them alive.
 */
final class AttentionCall {
  /** Bytes of {@code octet_attention}. */
  private static final int BYTES = 232;

  /**
   * Where {@code blocks}, {@code head_bytes}, {@code hadamard} and {@code key_offsets} stand in it.
   */
  private static final int BLOCKS_AT = 32;

  private static final int OFFSETS_AT = 80;
  private static final int HADAMARD_AT = 172;
  private static final int STATIC_OFFSETS_AT = 192;

  private static final int IN_F32 = 0;
  private static final int IN_BF16 = 1;
  private static final int IN_INT8 = 2;

  private MemorySegment memory = MemorySegment.NULL;
  private long used;
  private long field;

  /** Fills the memory; the result stays as it is until the next call. */
  MemorySegment write(
      AttentionKind kind,
      AttentionSpec spec,
      AttentionShapes shapes,
      Operand operand,
      Tensor q,
      Tensor out,
      @Nullable Tensor lse,
      int splits,
      @Nullable StaticOffsets offsets) {
    PagedKvLayer kv = operand.kv();
    KvFormat format = kv.format();
    Rotation rotation = operand.rotation();
    float[] signs = rotation == null ? null : rotation.signs();
    float[] mean = rotation == null ? null : operand.mean();
    float[] keyShifts = offsets == null ? null : offsets.keyShifts();
    float[] valueShifts = offsets == null ? null : offsets.valueShifts();
    long partFloats =
        splits == 1
            ? 0
            : (long) format.heads()
                * splits
                * shapes.queries()
                * shapes.group()
                * (shapes.valueDim() + 3);
    reserve(
        BYTES
            + 8L * kv.blocks()
            + 4 * partFloats
            + size(mean)
            + size(signs)
            + size(format.keyScales())
            + size(format.valueScales())
            + size(keyShifts)
            + size(valueShifts)
            + 9 * 64);
    put(q.segment().address());
    put(out.segment().address());
    put(lse == null ? 0 : lse.segment().address());
    Tensor mask = spec.mask();
    put(mask == null ? 0 : mask.segment().address());
    put(blocks(kv, 0, kv.blocks()));
    put(floats(mean));
    put(floats(signs));
    put(floats(format.keyScales()));
    put(floats(format.valueScales()));
    put(splits == 1 ? 0 : memory.address() + take(4 * partFloats));
    putOffsets(format);
    put(scoresIn(kind));
    put(valuesIn(kind));
    put(code(format.keyType()));
    put(code(format.valueType()));
    put(shapes.keyDim());
    put(shapes.valueDim());
    put(format.heads());
    put(shapes.group());
    put(shapes.queries());
    put(kv.length());
    put(spec.causal() ? 1 : 0);
    put(spec.offset());
    put(spec.window());
    put(rotation == null ? 1 : rotation.block());
    put(splits);
    memory.set(JAVA_FLOAT, field, spec.scale());
    field += 4;
    put(kind == AttentionKind.INT8_FAST ? 1 : 0);
    field = STATIC_OFFSETS_AT;
    put(floats(keyShifts));
    put(floats(valueShifts));
    memory.asSlice(field, BYTES - field).fill((byte) 0);
    return memory;
  }

  /** The fields that {@code octet_append} reads, for tokens {@code first} to {@code end}. */
  MemorySegment writeLayout(PagedKvLayer kv, int first, int end, @Nullable KeyAngles angles) {
    KvFormat format = kv.format();
    int from = first / KvSpec.BLOCK;
    int to = Math.ceilDiv(end, KvSpec.BLOCK);
    float[] mean = format.rotatedKeys() ? kv.mean() : null;
    Rotation rotation = mean == null ? null : kv.rotation();
    float[] signs = rotation == null ? null : rotation.signs();
    StaticOffsets offsets = kv.offsets();
    float[] keyOffsets = offsets == null ? null : offsets.keys();
    float[] valueOffsets = offsets == null ? null : offsets.values();
    reserve(
        BYTES
            + 8L * (to - from)
            + size(mean)
            + size(signs)
            + size(format.keyScales())
            + size(format.valueScales())
            + size(keyOffsets)
            + size(valueOffsets)
            + 8 * 64);
    memory.asSlice(0, BYTES).fill((byte) 0);
    field = BLOCKS_AT;
    put(blocks(kv, from, to));
    put(floats(mean));
    put(floats(signs));
    put(floats(format.keyScales()));
    put(floats(format.valueScales()));
    field = OFFSETS_AT;
    putOffsets(format);
    field += 8;
    put(code(format.keyType()));
    put(code(format.valueType()));
    put(format.keyDim());
    put(format.valueDim());
    put(format.heads());
    field = HADAMARD_AT;
    put(rotation == null ? 1 : rotation.block());
    field = STATIC_OFFSETS_AT;
    put(floats(keyOffsets));
    put(floats(valueOffsets));
    if (angles != null) {
      put(angles.cosines().address());
      put(angles.sines().address());
      put((long) angles.pairs());
    }
    return memory;
  }

  private void putOffsets(KvFormat format) {
    put(format.blockBytes() / format.heads());
    put(format.keyOffset(0));
    put(format.tokenKeyScales() ? format.keyScaleOffset(0) : -1);
    put(format.valueOffset(0));
    put(format.tokenValueScales() ? format.valueScaleOffset(0) : -1);
  }

  private static int scoresIn(AttentionKind kind) {
    return switch (kind) {
      case F32 -> IN_F32;
      case BF16 -> IN_BF16;
      case INT8, INT8_FAST, INT8_BF16 -> IN_INT8;
      case INT_FLASH, INT_FLASH_HALF -> throw new IllegalArgumentException(kind.label());
    };
  }

  private static int valuesIn(AttentionKind kind) {
    return kind == AttentionKind.INT8_BF16 ? IN_BF16 : scoresIn(kind);
  }

  private static int code(KvType type) {
    return switch (type) {
      case F32 -> 0;
      case F16 -> 1;
      case BF16 -> 2;
      case INT8 -> 3;
      case FP8_E4M3 -> 4;
      case FP8_E5M2 -> 5;
      case INT4 -> 6;
    };
  }

  private long blocks(PagedKvLayer kv, int from, int to) {
    long at = take(8L * (to - from));
    for (int b = from; b < to; b++) {
      memory.set(JAVA_LONG, at + 8L * (b - from), kv.block(b).address());
    }
    return memory.address() + at;
  }

  private long floats(float @Nullable [] values) {
    if (values == null) {
      return 0;
    }
    long at = take(4L * values.length);
    MemorySegment.copy(values, 0, memory, JAVA_FLOAT, at, values.length);
    return memory.address() + at;
  }

  private static long size(float @Nullable [] values) {
    return values == null ? 0 : 4L * values.length;
  }

  private void reserve(long bytes) {
    if (memory.byteSize() < bytes) {
      memory = Arena.ofAuto().allocate(Math.max(bytes, 2 * memory.byteSize()), Tensor.ALIGNMENT);
    }
    field = 0;
    used = 0;
    take(BYTES);
  }

  private long take(long bytes) {
    long at = used;
    used = Math.ceilDiv(used + bytes, Tensor.ALIGNMENT) * Tensor.ALIGNMENT;
    return at;
  }

  private void put(long value) {
    memory.set(JAVA_LONG, field, value);
    field += 8;
  }

  private void put(int value) {
    memory.set(JAVA_INT, field, value);
    field += 4;
  }
}
