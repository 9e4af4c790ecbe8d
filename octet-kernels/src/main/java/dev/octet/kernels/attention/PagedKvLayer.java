package dev.octet.kernels.attention;

import static dev.octet.kernels.KvSpec.BLOCK;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values in slabs of 64 tokens, each with the scales of what it holds ({@link KvFormat}).
 * A head's keys lie channel-major ([keyDim, 64]: one vector load is one channel of many keys), its
 * values token-major ([64, valueDim]): both are the right-hand operand of their product as stored.
 *
 * <p>Rotated keys are stored minus k̄, the mean of the first block's keys. While that block fills,
 * its keys are kept in F32 and encoded anew with every append, so what is stored does not depend on
 * how the tokens arrived. Once it is full k̄ stays, also when the sequence is cut back into the
 * first block: any constant vector is exact. Cutting back to nothing forgets it.
 *
 * <p>A kind that multiplies other codes than are stored makes a copy. Full blocks never change, so
 * the layer can keep that copy ({@link #recoded}), and each token is recoded once.
 */
public final class PagedKvLayer implements KvLayer {
  private static final KvMemory ORDINARY =
      new BlockPool((bytes, arena) -> arena.allocate(bytes, Tensor.ALIGNMENT));

  private final KvSpec spec;
  private final KvFormat format;
  private final @Nullable StaticOffsets offsets;
  private final @Nullable Rotation rotation;
  private final BlockEncoder encoder;
  private final @Nullable KvWriter writer;
  private final KvMemory source;
  private final BlockMemory memory;
  private final float @Nullable [] givenMean;
  private float @Nullable [] mean;
  private @Nullable OpenBlock open;
  private @Nullable PagedKvLayer recoded;
  private int length;
  private boolean closed;

  /** An empty store. */
  public PagedKvLayer(KvSpec spec) {
    this(spec, KvFormat.of(spec), null, null);
  }

  /** An empty store that {@code writer} fills where it can, in memory that it gives. */
  public PagedKvLayer(KvSpec spec, KvWriter writer) {
    this(spec, KvFormat.of(spec), null, writer);
  }

  /**
   * A store of keys and values that are all at hand.
   *
   * @param mean what is subtracted from keys before they are rotated [heads·keyDim]; null where
   *     they are not
   * @param writer what fills it where it can, or null
   */
  PagedKvLayer(KvSpec spec, KvFormat format, float @Nullable [] mean, @Nullable KvWriter writer) {
    this(spec, format, mean, writer, writer == null ? ORDINARY : writer.memory());
  }

  /**
   * The same in memory of a given kind.
   *
   * @param source of its blocks, and of those of copies
   */
  PagedKvLayer(
      KvSpec spec,
      KvFormat format,
      float @Nullable [] mean,
      @Nullable KvWriter writer,
      KvMemory source) {
    this.source = source;
    this.memory = new BlockMemory(format.blockBytes(), source);
    this.spec = spec;
    this.format = format;
    this.offsets = StaticOffsets.of(spec);
    this.rotation = format.rotatedKeys() ? Rotation.of(format.body()) : null;
    this.encoder = new BlockEncoder(format, offsets, rotation);
    this.writer = writer != null && writer.writes(format) ? writer : null;
    this.givenMean = mean;
    this.mean = mean;
    this.open = openFirstBlock();
  }

  /** A store of {@code tokens} zeros, not rotated, for others to fill through {@link #block}. */
  public static PagedKvLayer blank(KvSpec spec, KvFormat format, int tokens) {
    PagedKvLayer layer = new PagedKvLayer(spec, format, null, null);
    layer.grow(tokens);
    layer.length = tokens;
    return layer;
  }

  /**
   * The store behind a layer.
   *
   * @throws IllegalArgumentException if another implementation made it
   */
  public static PagedKvLayer of(KvLayer layer) {
    if (layer instanceof PagedKvLayer paged) {
      paged.requireOpen();
      return paged;
    }
    throw new IllegalArgumentException(
        "a KV layer of " + layer.getClass().getName() + " was not made by these kernels");
  }

  /**
   * The kind that attention over this layer is computed as: the one asked for, but BF16 instead of
   * an INT8 one that multiplies other codes than are stored, until the first block is full. Up to
   * then k̄ changes with every token, and a copy would have to be made anew for each.
   */
  public AttentionKind computed(AttentionKind kind) {
    boolean codes =
        switch (kind) {
          case INT8, INT8_FAST -> format.keyType().integer() && format.valueType().integer();
          case INT8_BF16 -> format.keyType().integer();
          case F32, BF16, INT_FLASH, INT_FLASH_HALF -> true;
        };
    return codes || length >= BLOCK ? kind : AttentionKind.BF16;
  }

  /**
   * The copy kept for a format, as far as it has been filled: all of it is as this layer is now.
   * Null if there is none, or one for another format.
   */
  public @Nullable PagedKvLayer recoded(KvFormat wanted) {
    return recoded != null && recoded.format.equals(wanted) ? recoded : null;
  }

  /**
   * Keeps an empty copy instead of the one there was, to be freed with this layer.
   *
   * @param mean k̄ of the copy's keys
   * @throws IllegalStateException while the first block, on which k̄ depends, may still change
   */
  public PagedKvLayer keepRecoded(KvFormat wanted, float[] mean) {
    if (length < BLOCK) {
      throw new IllegalStateException("the first block is not full");
    }
    dropRecoded();
    recoded = new PagedKvLayer(spec, wanted, mean, null, source);
    return recoded;
  }

  /** Makes room up to {@code tokens}, to be filled through {@link #block}. */
  public void extend(int tokens) {
    requireOpen();
    grow(tokens);
    length = tokens;
  }

  private void dropRecoded() {
    if (recoded != null) {
      recoded.close();
      recoded = null;
    }
  }

  @Override
  public KvSpec spec() {
    return spec;
  }

  public KvFormat format() {
    return format;
  }

  /** What the result of any attention over this layer has to be freed of; null if nothing. */
  public @Nullable StaticOffsets offsets() {
    return offsets;
  }

  @Override
  public int length() {
    return length;
  }

  /** Blocks in use, the last one perhaps part full. */
  public int blocks() {
    return (length + BLOCK - 1) / BLOCK;
  }

  /** Tokens in block {@code block}. */
  public int tokensIn(int block) {
    return Math.min(BLOCK, length - block * BLOCK);
  }

  /** Memory of a block. */
  public MemorySegment block(int block) {
    return memory.block(block);
  }

  /** How keys are rotated; null if they are not. */
  public @Nullable Rotation rotation() {
    return rotation;
  }

  /**
   * k̄ [heads·keyDim] of rotated keys, not to be changed; null where keys are stored as they are,
   * or none are.
   */
  public float @Nullable [] mean() {
    return mean;
  }

  /**
   * Key code of a token's channel minus its zero point, without its scale; beyond {@code body()}
   * the value itself.
   */
  public float keyCode(int head, int token, int channel) {
    long index = (long) channel * BLOCK + token % BLOCK;
    MemorySegment block = block(token / BLOCK);
    if (channel < format.body()) {
      float code = ElementCodec.read(block, format.keyOffset(head), index, format.keyType());
      return KvFormat.hasZeros(format.keyType())
          ? code - block.get(JAVA_BYTE, format.keyZeroOffset(head) + token % BLOCK)
          : code;
    }
    long inTail = index - (long) format.body() * BLOCK;
    return ElementCodec.read(block, format.tailOffset(head), inTail, KvType.BF16);
  }

  /** Value code of a token's channel minus its zero point, without its scale. */
  public float valueCode(int head, int token, int channel) {
    long index = (long) (token % BLOCK) * format.valueDim() + channel;
    MemorySegment block = block(token / BLOCK);
    float code = ElementCodec.read(block, format.valueOffset(head), index, format.valueType());
    return KvFormat.hasZeros(format.valueType())
        ? code - block.get(JAVA_BYTE, format.valueZeroOffset(head) + token % BLOCK)
        : code;
  }

  /** Scale of a token's key; 1 where it has none of its own. */
  public float keyScale(int head, int token) {
    return format.tokenKeyScales()
        ? BlockEncoder.scale(block(token / BLOCK), format.keyScaleOffset(head), token % BLOCK)
        : 1;
  }

  /** Scale of a token's value; 1 where it has none of its own. */
  public float valueScale(int head, int token) {
    return format.tokenValueScales()
        ? BlockEncoder.scale(block(token / BLOCK), format.valueScaleOffset(head), token % BLOCK)
        : 1;
  }

  @Override
  public void append(Tensor keys, Tensor values) {
    append(keys, values, null);
  }

  /**
   * Whether keys can turn while they are appended, by {@link #append(Tensor, Tensor, KeyAngles)}.
   */
  public boolean turns(Tensor keys, Tensor values) {
    return writer != null && isNative(keys) && isNative(values);
  }

  /** How many of the next keys must have turned before: their mean is taken. */
  public int smoothedNext() {
    return open == null ? 0 : BLOCK - open.tokens();
  }

  /**
   * Appends keys that turn on their way, but for the first {@link #smoothedNext} ones, where {@link
   * #turns} says so.
   *
   * @param angles those of all tokens; null: all keys have turned
   */
  public void append(Tensor keys, Tensor values, @Nullable KeyAngles angles) {
    requireOpen();
    int tokens = requireTokens(keys, values);
    int end = Math.addExact(length, tokens);
    grow(end);
    int inFirst = open == null ? length : keepFirstKeys(open, keys);
    if (writer != null && isNative(keys) && isNative(values)) {
      writer.write(this, length, tokens, inFirst, keys, values, angles);
    } else if (angles == null) {
      encode(keys, values, end, inFirst);
    } else {
      throw new IllegalStateException("keys of this KV layer cannot turn on their way");
    }
    length = end;
  }

  private static boolean isNative(Tensor x) {
    return x.isContiguous() && x.segment().isNative();
  }

  /** Keys of tokens before {@code inFirst} are written already. */
  private void encode(Tensor keys, Tensor values, int end, int inFirst) {
    float[] row = new float[format.heads() * Math.max(format.keyDim(), format.valueDim())];
    float[] keyRow = new float[format.heads() * format.keyDim()];
    float[] valueRow = new float[format.heads() * format.valueDim()];
    for (int t = length; t < end; t++) {
      MemorySegment block = block(t / BLOCK);
      if (t >= inFirst) {
        keys.copyRange((long) (t - length) * keyRow.length, keyRow);
        encoder.key(block, t % BLOCK, keyRow, 0, mean, row);
      }
      values.copyRange((long) (t - length) * valueRow.length, valueRow);
      encoder.value(block, t % BLOCK, valueRow, row);
    }
  }

  private void grow(int tokens) {
    memory.grow(Math.ceilDiv(tokens, BLOCK));
  }

  /**
   * Keeps what falls into the open first block, encodes that block; returns the tokens it holds.
   */
  private int keepFirstKeys(OpenBlock first, Tensor keys) {
    first.add(keys, (int) Math.min(keys.dim(0), BLOCK - first.tokens()));
    encodeFirstBlock(first);
    if (first.isFull()) {
      open = null;
    }
    return first.tokens();
  }

  private void encodeFirstBlock(OpenBlock first) {
    mean = first.mean();
    if (writer != null) {
      writer.writeKeys(this, first.keys());
      return;
    }
    float[] scratch = new float[format.heads() * format.keyDim()];
    for (int t = 0; t < first.tokens(); t++) {
      encoder.key(block(0), t, first.key(t), 0, mean, scratch);
    }
  }

  private @Nullable OpenBlock openFirstBlock() {
    return format.rotatedKeys() && givenMean == null ? new OpenBlock(format) : null;
  }

  @Override
  public void truncate(int newLength) {
    requireOpen();
    if (newLength < 0 || newLength > length) {
      throw new IllegalArgumentException(
          "cannot cut a KV layer of " + length + " tokens to " + newLength);
    }
    length = newLength;
    memory.shrink(blocks());
    truncateRecoded(newLength);
    if (newLength == 0) {
      mean = givenMean;
      open = openFirstBlock();
    } else if (open != null) {
      open.truncate(newLength);
      encodeFirstBlock(open);
    }
  }

  private void truncateRecoded(int newLength) {
    if (newLength < BLOCK) {
      dropRecoded(); // other keys may take the place of those that made its mean
    } else if (recoded != null && recoded.length > newLength) {
      recoded.truncate(newLength);
    }
  }

  @Override
  public long byteSize() {
    long floats = mean == null ? 0 : mean.length;
    long copy = recoded == null ? 0 : recoded.byteSize();
    long kept = open == null ? 0 : open.byteSize();
    return blocks() * format.blockBytes() + 4 * floats + kept + copy;
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      length = 0;
      memory.close();
      dropRecoded();
      mean = null;
      open = null;
    }
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("this KV layer is closed");
    }
  }

  private int requireTokens(Tensor keys, Tensor values) {
    long tokens = keys.rank() == 3 ? keys.dim(0) : -1;
    boolean fits =
        keys.dtype() == DType.F32
            && values.dtype() == DType.F32
            && keys.hasShape(tokens, format.heads(), format.keyDim())
            && values.hasShape(tokens, format.heads(), format.valueDim());
    if (!fits) {
      throw new IllegalArgumentException(
          "keys %s and values %s do not fit a layer of %d heads of %d and %d channels"
              .formatted(keys, values, format.heads(), format.keyDim(), format.valueDim()));
    }
    return Math.toIntExact(tokens);
  }
}
