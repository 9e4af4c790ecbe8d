package dev.octet.kernels;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.linear.OneByOne;
import dev.octet.kernels.linear.Shapes;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The operations a transformer is made of, on F32 activations. A provider implements all of them;
 * {@code reference} is the definition of right, every other must match it on every shape.
 *
 * <p>Activations are contiguous F32 tensors whose last dimension is the feature; all leading
 * dimensions are rows. Outputs may be the same tensor as an input only where said. Shapes are
 * checked before anything is computed; a mismatch is an {@link IllegalArgumentException}.
 */
public interface Kernels extends AutoCloseable {
  /** {@code reference}, {@code vector} or {@code cpu}. */
  String name();

  /** The instruction set in use, for instance {@code AVX-512 (512-bit Vector API)}. */
  String isa();

  /** Threads that work at once. */
  int threads();

  /** What unquantized inputs of linear layers are multiplied in. */
  default Products products() {
    return Products.F32;
  }

  /**
   * Prepares a linear layer: packs the weight into this provider's layout where it has one. The
   * weight's memory must stay alive as long as the result is used.
   */
  default Linear linear(LinearWeights weights) {
    return linear(weights, Arena.ofAuto());
  }

  /**
   * The same with the packed weight in the caller's arena, which must be usable from any thread:
   * for layers that are used for a short time.
   */
  Linear linear(LinearWeights weights, Arena arena);

  /**
   * Layers that read the same input, to be run as one.
   *
   * @param layers made by {@link #linear}, all of as many inputs
   */
  default LinearGroup group(List<Linear> layers) {
    return new OneByOne(layers);
  }

  /**
   * Rows of a table as floats: the embeddings of tokens.
   *
   * @param rows which of the table's
   * @param out F32 [rows.length, columns]
   * @throws IndexOutOfBoundsException for a row that the table does not have
   */
  default void lookUp(RowTable table, int[] rows, Tensor out) {
    int columns = Shapes.requireLookUp(table, rows, out);
    float[] row = new float[columns];
    for (int i = 0; i < rows.length; i++) {
      table.dequantizeRow(rows[i], row);
      long at = (long) i * columns * Float.BYTES;
      MemorySegment.copy(row, 0, out.segment(), JAVA_FLOAT_UNALIGNED, at, columns);
    }
  }

  /**
   * Root mean square norm: {@code out = x / sqrt(mean(x²) + epsilon) · weight + bias}.
   *
   * @param x [rows, n]
   * @param weight F32 [n]
   * @param bias F32 [n] or null
   * @param out [rows, n], may be {@code x}
   */
  void rmsNorm(Tensor x, Tensor weight, @Nullable Tensor bias, float epsilon, Tensor out);

  /**
   * Rotates the first {@code table.dimension()} channels of every head in place: channel i pairs
   * with channel {@code i + dimension/2} (Hugging Face's half rotation).
   *
   * @param x [tokens, heads, headDim]
   * @param positions position of each token
   */
  void rope(Tensor x, int[] positions, RotaryTable table);

  /**
   * Appends keys, rotated first as {@link #rope} does, and values to the cache of a sequence.
   *
   * @param kv made by {@link #attention}
   * @param keys F32 [tokens, heads, keyDim], before the rotary embedding; what is left in it is
   *     undefined
   * @param values F32 [tokens, heads, valueDim]
   * @param positions position of each token
   */
  default void append(KvLayer kv, Tensor keys, Tensor values, int[] positions, RotaryTable table) {
    rope(keys, positions, table);
    kv.append(keys, values);
  }

  /** {@code out = silu(gate) · up}; {@code out} may be either input. */
  void swiGlu(Tensor gate, Tensor up, Tensor out);

  /** {@code x += y}. */
  void add(Tensor x, Tensor y);

  /** Softmax of every row, in place; a row of −∞ becomes zeros. */
  void softmax(Tensor x);

  /** Attention and the storage of keys and values. */
  AttentionKernels attention();

  @Override
  void close();
}
