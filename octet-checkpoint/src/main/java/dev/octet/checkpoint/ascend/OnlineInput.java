package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.InputMatrix.Kronecker;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a layer's input goes through while the model runs. All matrices are oriented alike: a token
 * as a matrix X [l, r] becomes {@code leftᵀ·X·right}.
 *
 * <ul>
 *   <li>FlatQuant: {@code .left_trans} [l, l], {@code .right_trans} [r, r] or one of them alone
 *       (before the output projection of attention the right one is inside the values), and {@code
 *       .clip_ratio} [1], the ratio itself: the tools store it behind their sigmoid.
 *   <li>QuaRot's rotation of heads: {@code .heads_rotation} [heads, heads], the left side, the
 *       right one being the identity of a head's channels.
 *   <li>QuaRot's rotation of the feed-forward: {@code .kronecker_rotation_m} and {@code _n}, left
 *       and right.
 * </ul>
 */
record OnlineInput(StoredTensors tensors, LinearShape shape, ModelConfig config) {
  static final String LEFT = ".left_trans";
  static final String RIGHT = ".right_trans";
  static final String CLIP = ".clip_ratio";
  static final String HEADS = ".heads_rotation";
  static final String ROTATION_LEFT = ".kronecker_rotation_m";
  static final String ROTATION_RIGHT = ".kronecker_rotation_n";

  /** Stored without being described, by every release so far. */
  static final List<String> ROTATIONS = List.of(HEADS, ROTATION_LEFT, ROTATION_RIGHT);

  /** Whether there is something of FlatQuant. */
  boolean learnt() {
    return has(LEFT) || has(RIGHT) || has(CLIP);
  }

  /** Refuses what {@link #of} would. */
  void check() {
    matrix();
    ratio();
  }

  /** The layer behind it. */
  LinearWeights of(LinearWeights layer) {
    Kronecker matrix = matrix();
    LinearWeights behind = matrix == null ? layer : layer.withInputMatrix(matrix);
    float ratio = ratio();
    return ratio == 1 ? behind : clipped(behind, ratio);
  }

  private static LinearWeights clipped(LinearWeights w, float ratio) {
    LinearWeights decoding = w.decoding();
    return new LinearWeights(
        w.weight(),
        w.bias(),
        new ActivationQuant.Clipped(w.activation(), ratio),
        w.inputScale(),
        decoding == null ? null : clipped(decoding, ratio),
        w.inputMatrix(),
        w.lowRank());
  }

  private boolean has(String suffix) {
    return tensors.has(shape.module() + suffix);
  }

  private float ratio() {
    if (!has(CLIP)) {
      return 1;
    }
    String name = shape.module() + CLIP;
    Tensor stored = tensors.require(name, DenseFormat.FLOATS, 1);
    float ratio = stored.getFloat(0);
    if (!(ratio > 0 && ratio <= 1)) {
      throw tensors.problem(name, "is %s, expected a number above 0, at most 1".formatted(ratio));
    }
    return ratio;
  }

  private @Nullable Kronecker matrix() {
    boolean learnt = has(LEFT) || has(RIGHT);
    boolean rotated = has(ROTATION_LEFT) || has(ROTATION_RIGHT);
    if (has(HEADS) && (learnt || rotated) || learnt && rotated) {
      throw tensors.unsupported(
          shape.module() + (has(HEADS) ? HEADS : ROTATION_LEFT),
          "turns an input that other matrices turn, too: no tool says in which order");
    }
    return has(HEADS)
        ? heads()
        : rotated
            ? product(ROTATION_LEFT, square(ROTATION_LEFT), square(ROTATION_RIGHT))
            : learnt ? learntProduct() : null;
  }

  private Kronecker learntProduct() {
    Tensor left = has(LEFT) ? square(LEFT) : null;
    Tensor right = has(RIGHT) ? square(RIGHT) : null;
    return product(left == null ? RIGHT : LEFT, left, right);
  }

  private Kronecker heads() {
    Tensor rotation = square(HEADS);
    long channels = (long) config.heads() * config.headDim();
    if (rotation.dim(0) != config.heads() || channels != shape.columns()) {
      throw tensors.problem(
          shape.module() + HEADS,
          "is of order %d, but the layer's %d inputs are %d heads of %d channels"
              .formatted(rotation.dim(0), shape.columns(), config.heads(), config.headDim()));
    }
    return new Kronecker(rotation, null);
  }

  private Kronecker product(String suffix, @Nullable Tensor left, @Nullable Tensor right) {
    Kronecker matrix = new Kronecker(left, right);
    try {
      matrix.requireColumns(shape.columns());
    } catch (IllegalArgumentException e) {
      throw tensors.problem(shape.module() + suffix, "does not fit: " + e.getMessage());
    }
    return matrix;
  }

  private Tensor square(String suffix) {
    String name = shape.module() + suffix;
    Tensor stored = tensors.get(name);
    boolean fits =
        stored.rank() == 2
            && stored.dim(0) == stored.dim(1)
            && stored.dim(0) >= 1
            && stored.dim(0) <= shape.columns();
    if (!fits || !DenseFormat.FLOATS.contains(stored.dtype())) {
      throw tensors.problem(
          name,
          "is %s, expected a square matrix of floats, of order %d at most"
              .formatted(stored, shape.columns()));
    }
    Tensor matrix = stored.to(DType.F32, Arena.ofAuto());
    for (long i = 0; i < matrix.size(); i++) {
      if (!Float.isFinite(matrix.getFloat(i))) {
        throw tensors.problem(name, "holds %s at index %d".formatted(matrix.getFloat(i), i));
      }
    }
    return matrix;
  }
}
