package dev.octet.checkpoint;

/**
 * How {@link CompressedTensorsWriter} stores a model, and how it treats what is there already.
 *
 * @param force whether an existing model directory may be replaced
 * @param resume whether the layers of an interrupted run are reused
 * @param recipe what the run does, in the caller's words (source, scheme, ignored layers): layers
 *     are reused only under the very same recipe
 * @param shardBytes bytes of tensors a file holds
 * @param format how linear layers are stored
 * @param untied whether a head that is the source's embedding is stored by itself
 * @param blocks whether the result is to become a GGUF file: every layer must fit its blocks
 */
public record WriteOptions(
    boolean force,
    boolean resume,
    String recipe,
    long shardBytes,
    WriteFormat format,
    boolean untied,
    boolean blocks) {
  public WriteOptions {
    if (shardBytes < 1) {
      throw new IllegalArgumentException("shards of " + shardBytes + " bytes");
    }
  }

  /** A tied head stays tied. */
  public WriteOptions(
      boolean force, boolean resume, String recipe, long shardBytes, WriteFormat format) {
    this(force, resume, recipe, shardBytes, format, false, false);
  }

  /** As compressed-tensors. */
  public WriteOptions(boolean force, boolean resume, String recipe, long shardBytes) {
    this(force, resume, recipe, shardBytes, WriteFormat.COMPRESSED_TENSORS);
  }

  /** As compressed-tensors, with shards of the usual size. */
  public static WriteOptions of(boolean force, boolean resume, String recipe) {
    return new WriteOptions(force, resume, recipe, ShardPlan.SHARD_BYTES);
  }

  /** The same for another recipe. */
  public WriteOptions named(String other) {
    return new WriteOptions(force, resume, other, shardBytes, format, untied, blocks);
  }

  /** The same in another format. */
  public WriteOptions as(WriteFormat other) {
    return new WriteOptions(force, resume, recipe, shardBytes, other, untied, blocks);
  }

  /** The same with a head of its own. */
  public WriteOptions withHead() {
    return new WriteOptions(force, resume, recipe, shardBytes, format, true, blocks);
  }

  /** The same where the result is to become a GGUF file. */
  public WriteOptions forGguf() {
    return new WriteOptions(force, resume, recipe, shardBytes, format, untied, true);
  }
}
