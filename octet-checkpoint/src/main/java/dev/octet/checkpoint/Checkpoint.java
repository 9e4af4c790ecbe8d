package dev.octet.checkpoint;

import dev.octet.tensor.Tensor;
import java.util.Optional;
import java.util.SortedMap;

/**
 * An open model directory, its tensors mapped. Opening checks everything that can be known without
 * reading weights: header, index, config, and that every tensor the architecture needs is there in
 * the right shape. Tensors live until {@link #close}; dense and 8-bit weights are views of the file
 * where the layout allows.
 */
public interface Checkpoint extends WeightSource, AutoCloseable {
  /** How it is stored: {@code dense}, {@code compressed-tensors} … */
  String format();

  /** All stored tensors by name, as stored. */
  SortedMap<String, Tensor> tensors();

  /**
   * Where the bytes of {@code tensor} lie; empty if it is no view of a stored tensor, or the format
   * does not say.
   */
  default Optional<TensorPlace> place(Tensor tensor) {
    return Optional.empty();
  }

  @Override
  void close();
}
