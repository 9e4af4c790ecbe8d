package dev.octet.checkpoint.ascend;

import dev.octet.tensor.LinearWeights;

/** A linear layer in one of the format's forms. */
interface Layer {
  /** Checks names, types, shapes and scales; reads no codes. */
  void check();

  /** The layer in canonical form. */
  LinearWeights read();
}
