package dev.octet.checkpoint.fp8;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.tensor.ActivationQuant;
import java.util.List;

/**
 * What a {@code quantization_config} with the method {@code fp8} or {@code fbgemm_fp8} says.
 *
 * @param name of the format, for tables
 * @param blockRows rows of a block; 0: no blocks
 * @param blockColumns columns of a block; 0: no blocks
 * @param fixed whether inputs have stored scales
 * @param bound FBGEMM's upper bound of an input's largest magnitude, else infinite
 */
record Fp8Settings(String name, int blockRows, int blockColumns, boolean fixed, float bound) {
  /** What FBGEMM's integration in transformers bounds activations with unless told otherwise. */
  private static final float FBGEMM_BOUND = 1200;

  static Fp8Settings read(Fields f) {
    if (f.requireText("quant_method").equals("fbgemm_fp8")) {
      double bound = f.positive("activation_scale_ub").orElse(FBGEMM_BOUND);
      return new Fp8Settings("fbgemm_fp8", 0, 0, false, (float) Math.max(bound, Float.MIN_NORMAL));
    }
    String format = f.text("fmt").orElse("e4m3");
    if (!format.equals("e4m3") && !format.equals("float8_e4m3fn")) {
      throw f.unsupported("fmt", "is '%s'; only e4m3 is supported".formatted(format));
    }
    boolean fixed =
        switch (f.text("activation_scheme").orElse("dynamic")) {
          case "dynamic" -> false;
          case "static" -> true;
          default ->
              throw f.problem(
                  "activation_scheme",
                  "must be dynamic or static, not " + f.raw("activation_scheme"));
        };
    float bound = Float.POSITIVE_INFINITY;
    if (!f.has("weight_block_size")) {
      return new Fp8Settings(fixed ? "fp8 (static)" : "fp8", 0, 0, fixed, bound);
    }
    List<Integer> block = f.integers("weight_block_size");
    if (block.size() != 2 || block.get(0) < 1 || block.get(1) < 1) {
      throw f.problem("weight_block_size", "must be two sizes of at least 1, not " + block);
    }
    if (fixed) {
      throw f.unsupported("activation_scheme", "is static for block-wise weights");
    }
    return new Fp8Settings("fp8 (block)", block.get(0), block.get(1), false, bound);
  }

  boolean blocks() {
    return blockColumns > 0;
  }

  /** How inputs without a stored scale are quantized. */
  ActivationQuant dynamic() {
    return blocks()
        ? new ActivationQuant.DynamicFp8Block(blockColumns)
        : new ActivationQuant.DynamicFp8(bound);
  }
}
