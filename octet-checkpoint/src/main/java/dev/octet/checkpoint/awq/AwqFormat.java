package dev.octet.checkpoint.awq;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.LinearFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.LinearWeights;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Reads AWQ checkpoints. A layer is quantized where its {@code qweight} is stored; {@code
 * modules_to_not_convert} lists others, which are dense, by parts of their names.
 */
public final class AwqFormat implements LinearFormat {
  private final StoredTensors tensors;
  private final DenseFormat dense;
  private final boolean gemm;
  private final int group;
  private final List<String> excluded;

  /**
   * Reads the settings.
   *
   * @param f {@code quantization_config}, or the older quant_config.json
   */
  public AwqFormat(Fields f, StoredTensors tensors) {
    this.tensors = tensors;
    this.dense = new DenseFormat(tensors);
    String bits = f.has("w_bit") && !f.has("bits") ? "w_bit" : "bits";
    int width = f.integer(bits, 1, 32).orElse(4);
    if (width != 4) {
      throw f.unsupported(bits, "is %d: AWQ has 4 bits".formatted(width));
    }
    if (!f.flag("zero_point", true)) {
      throw f.unsupported("zero_point", "is false, which no AWQ layout can store");
    }
    this.gemm =
        switch (f.text("version").orElse("gemm").toLowerCase(Locale.ROOT)) {
          case "gemm" -> true;
          case "gemv" -> false;
          default ->
              throw f.unsupported(
                  "version", "is %s; supported are gemm and gemv".formatted(f.raw("version")));
        };
    String size = f.has("q_group_size") && !f.has("group_size") ? "q_group_size" : "group_size";
    this.group = f.integer(size, -1, Integer.MAX_VALUE).orElse(128);
    if (group == 0) {
      throw f.problem(size, "is 0: it must be -1 or at least 1");
    }
    this.excluded = f.texts("modules_to_not_convert");
  }

  @Override
  public String name() {
    return gemm ? "awq (gemm)" : "awq (gemv)";
  }

  @Override
  public void check(LinearShape shape) {
    if (quantized(shape)) {
      new AwqLayer(tensors, shape, gemm, group).check();
    } else {
      dense.check(shape);
    }
  }

  @Override
  public LinearWeights read(LinearShape shape) {
    return quantized(shape) ? new AwqLayer(tensors, shape, gemm, group).read() : dense.read(shape);
  }

  private boolean quantized(LinearShape shape) {
    String weight = shape.module() + ".weight";
    boolean packed = tensors.has(shape.module() + ".qweight");
    if (packed && tensors.has(weight)) {
      throw tensors.problem(weight, "is stored beside its quantized form");
    }
    return packed || !(tensors.has(weight) || excluded.stream().anyMatch(shape.module()::contains));
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return Optional.empty();
  }
}
