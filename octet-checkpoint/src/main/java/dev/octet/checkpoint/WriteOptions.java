package dev.octet.checkpoint;

/**
 * How {@link CompressedTensorsWriter} treats what is there already.
 *
 * @param force whether an existing model directory may be replaced
 * @param resume whether the layers of an interrupted run are reused
 * @param recipe what the run does, in the caller's words (source, scheme, ignored layers): layers
 *     are reused only under the very same recipe
 * @param shardBytes bytes of tensors a file holds
 */
public record WriteOptions(boolean force, boolean resume, String recipe, long shardBytes) {
  public WriteOptions {
    if (shardBytes < 1) {
      throw new IllegalArgumentException("shards of " + shardBytes + " bytes");
    }
  }

  /** With shards of the usual size. */
  public static WriteOptions of(boolean force, boolean resume, String recipe) {
    return new WriteOptions(force, resume, recipe, ShardPlan.SHARD_BYTES);
  }
}
