package dev.octet.kernels.attention;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvSpec;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Keys and values at hand, put into a store in the format the kind reads. */
public final class GivenKv {
  private GivenKv() {}

  /**
   * A store that the caller closes.
   *
   * @param keys F32 [keys, kvHeads, keyDim]
   * @param values F32 [keys, kvHeads, valueDim]
   */
  public static PagedKvLayer store(AttentionKind kind, Tensor keys, Tensor values) {
    return store(kind, keys, values, null);
  }

  /**
   * The same, filled by {@code writer} where it can.
   *
   * @param keys F32 [keys, kvHeads, keyDim]
   * @param values F32 [keys, kvHeads, valueDim]
   */
  public static PagedKvLayer store(
      AttentionKind kind, Tensor keys, Tensor values, @Nullable KvWriter writer) {
    boolean fits =
        keys.dtype() == DType.F32
            && values.dtype() == DType.F32
            && keys.rank() == 3
            && values.rank() == 3
            && keys.dim(0) == values.dim(0)
            && keys.dim(1) == values.dim(1);
    if (!fits) {
      throw new IllegalArgumentException(
          "keys and values must be F32 [keys, kvHeads, dim], not " + keys + " and " + values);
    }
    int heads = Math.toIntExact(keys.dim(1));
    int keyDim = Math.toIntExact(keys.dim(2));
    int valueDim = Math.toIntExact(values.dim(2));
    KvFormat format = KvFormat.nativeTo(kind, heads, keyDim, valueDim);
    KvSpec spec = new KvSpec(heads, keyDim, valueDim, format.keyType(), null);
    PagedKvLayer layer = new PagedKvLayer(spec, format, mean(format, keys), writer);
    try {
      layer.append(keys, values);
      return layer;
    } catch (RuntimeException | Error e) {
      layer.close();
      throw e;
    }
  }

  private static float @Nullable [] mean(KvFormat format, Tensor keys) {
    if (!format.rotatedKeys()) {
      return null;
    }
    float[] mean = KeyMean.of(keys);
    KeyMean.clearTail(mean, format.keyDim(), format.body());
    return mean;
  }
}
