package dev.octet.model;

import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * A root mean square norm. Some quantizers move activation offsets into a bias that the original
 * model does not have.
 *
 * @param weight F32 [n]
 * @param bias F32 [n] or null
 */
record RmsNorm(Tensor weight, @Nullable Tensor bias, float epsilon) {

  static RmsNorm load(WeightSource source, String module, int size, Arena arena) {
    String bias = module + ".bias";
    return new RmsNorm(
        vector(source, module + ".weight", size, arena),
        source.hasTensor(bias) ? vector(source, bias, size, arena) : null,
        (float) source.config().rmsNormEps());
  }

  private static Tensor vector(WeightSource source, String name, int size, Arena arena) {
    Tensor stored = source.tensor(name);
    if (!stored.hasShape(size) || !stored.dtype().isWideFloat()) {
      throw new IllegalArgumentException(
          name + " is " + stored + ", expected F32, F16 or BF16 [" + size + "]");
    }
    return stored.to(DType.F32, arena);
  }

  void apply(Kernels kernels, Tensor x, Tensor out) {
    kernels.rmsNorm(x, weight, bias, epsilon, out);
  }

  long byteSize() {
    return weight.byteSize() + (bias == null ? 0 : bias.byteSize());
  }
}
