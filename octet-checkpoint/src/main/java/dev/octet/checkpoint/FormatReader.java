package dev.octet.checkpoint;

/** One checkpoint format: tells its models from others and opens them. */
interface FormatReader {
  /** What people call it, for messages: {@code GPTQ}, {@code compressed-tensors (INT8, INT4)}. */
  String name();

  /** Whether a model is of this format; looks at file names and settings only. */
  boolean recognizes(ModelFolder folder);

  /**
   * Opens and checks a model that this reader recognizes.
   *
   * @throws CheckpointException if something is missing, damaged or contradictory
   */
  Checkpoint open(ModelFolder folder);
}
