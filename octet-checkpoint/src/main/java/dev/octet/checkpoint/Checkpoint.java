package dev.octet.checkpoint;

import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.Optional;
import java.util.SortedMap;

/**
 * An open model directory, its tensors mapped. Opening checks everything that can be known without
 * reading weights: header, index, config, and that every tensor the architecture needs is there in
 * the right shape. Tensors live until {@link #close}.
 *
 * <p>Modules are named as in Hugging Face, without {@code .weight}: {@code
 * model.layers.0.self_attn.q_proj}.
 */
public interface Checkpoint extends AutoCloseable {
  ModelConfig config();

  /** How it is stored: {@code dense}, {@code compressed-tensors} … */
  String format();

  /** All stored tensors by name, as stored. */
  SortedMap<String, Tensor> tensors();

  /**
   * A stored tensor as it is.
   *
   * @throws CheckpointException if there is none of that name
   */
  Tensor tensor(String name);

  /**
   * The linear layer of that module in canonical form, its bias included. Dense and 8-bit weights are
   * views of the file where the layout allows.
   *
   * @throws CheckpointException if it is absent or damaged
   */
  LinearWeights linear(String module);

  /** Calibrated scales of a layer's KV cache, if the checkpoint has them. */
  Optional<KvScales> kvScales(int layer);

  @Override
  void close();
}
