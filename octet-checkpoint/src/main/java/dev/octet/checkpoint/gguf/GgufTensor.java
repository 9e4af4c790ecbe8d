package dev.octet.checkpoint.gguf;

/**
 * A tensor as the header describes it.
 *
 * @param name for instance {@code blk.0.attn_q.weight}
 * @param shape slowest dimension first (the file has it the other way round): {@code [out, in]}
 * @param type how the elements are stored
 * @param offset first byte, from the start of the file
 * @param byteSize bytes it takes
 */
public record GgufTensor(String name, long[] shape, GgufType type, long offset, long byteSize) {}
