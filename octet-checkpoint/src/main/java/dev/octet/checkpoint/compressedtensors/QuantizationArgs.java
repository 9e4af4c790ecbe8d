package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.tensor.ScaleGranularity;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The {@code QuantizationArgs} of compressed-tensors: how weights, activations or the KV cache are
 * encoded.
 *
 * @param fields where it was read, for messages
 * @param bits width of a code
 * @param isFloat whether codes are floats
 * @param symmetric whether zero is code 0
 * @param strategy what shares a scale
 * @param group columns of a group, or 0
 * @param blockRows rows of a block, or 0
 * @param blockColumns columns of a block, or 0
 * @param dynamic whether scales are computed at run time
 * @param actOrder whether columns are assigned to groups by a stored index
 */
record QuantizationArgs(
    Fields fields,
    int bits,
    boolean isFloat,
    boolean symmetric,
    Strategy strategy,
    int group,
    int blockRows,
    int blockColumns,
    boolean dynamic,
    boolean actOrder) {

  private static final Pattern OLD_BLOCK = Pattern.compile("\"(\\d{1,6})x(\\d{1,6})\"");

  enum Strategy {
    TENSOR,
    CHANNEL,
    GROUP,
    BLOCK,
    TOKEN,
    ATTN_HEAD,
    TENSOR_GROUP;

    String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  static QuantizationArgs read(Fields f) {
    int bits = f.integer("num_bits", 1, 32).orElse(8);
    boolean isFloat =
        switch (f.text("type").orElse("int")) {
          case "int" -> false;
          case "float" -> true;
          default -> throw f.problem("type", "must be int or float, not " + f.raw("type"));
        };
    if (isFloat && bits != 8 && bits != 4) {
      throw f.unsupported(
          "num_bits", "asks for %d-bit floats; 4 and 8 are supported".formatted(bits));
    }
    if (!isFloat && bits > 8) {
      throw f.unsupported(
          "num_bits", "asks for %d-bit integers; 1 to 8 are supported".formatted(bits));
    }
    boolean symmetric = f.flag("symmetric", true);
    if (isFloat && !symmetric) {
      throw f.unsupported("symmetric", "is false: floats have no zero point");
    }
    int group = f.integer("group_size", -1, Integer.MAX_VALUE).orElse(-1);
    if (group == 0) {
      throw f.problem("group_size", "is 0: it must be -1 or at least 1");
    }
    Strategy strategy = strategy(f, group);
    boolean blocks = strategy == Strategy.BLOCK;
    List<Integer> block = blocks ? block(f) : List.of();
    if (blocks && (block.size() != 2 || block.get(0) < 1 || block.get(1) < 1)) {
      throw f.problem("block_structure", "must be two sizes of at least 1, not " + block);
    }
    boolean groups = strategy == Strategy.GROUP || strategy == Strategy.TENSOR_GROUP;
    if (groups && group < 1) {
      throw f.problem("group_size", "is missing for strategy " + strategy.label());
    }
    return new QuantizationArgs(
        f,
        bits,
        isFloat,
        symmetric,
        strategy,
        groups ? group : 0,
        blocks ? block.get(0) : 0,
        blocks ? block.get(1) : 0,
        dynamic(f),
        actOrder(f));
  }

  /** An absent strategy follows from the group size, as in compressed-tensors itself. */
  private static Strategy strategy(Fields f, int group) {
    String fallback = group > 0 ? "group" : f.has("group_size") ? "channel" : "tensor";
    String name = f.text("strategy").orElse(fallback);
    for (Strategy strategy : Strategy.values()) {
      if (strategy.label().equals(name)) {
        return strategy;
      }
    }
    throw f.unsupported(
        "strategy",
        "is '%s'; supported are tensor, channel, group, block, token and tensor_group"
            .formatted(name));
  }

  /** Older releases wrote {@code "128x128"}. */
  private static List<Integer> block(Fields f) {
    Matcher text = OLD_BLOCK.matcher(f.raw("block_structure"));
    return text.matches()
        ? List.of(Integer.valueOf(text.group(1)), Integer.valueOf(text.group(2)))
        : f.integers("block_structure");
  }

  private static boolean dynamic(Fields f) {
    if (f.raw("dynamic").equals("\"local\"")) {
      return true; // NVFP4: a stored global scale, group scales at run time
    }
    return f.flag("dynamic", false);
  }

  private static boolean actOrder(Fields f) {
    if (f.raw("actorder").equals("true") || f.raw("actorder").equals("false")) {
      return f.flag("actorder", false);
    }
    String order = f.text("actorder").orElse("none").toLowerCase(Locale.ROOT);
    return switch (order) {
      case "group", "dynamic" -> true;
      case "none", "weight", "static" -> false;
      default -> throw f.unsupported("actorder", "is '%s'".formatted(order));
    };
  }

  /** The granularity of stored scales. */
  ScaleGranularity granularity() {
    return switch (strategy) {
      case TENSOR -> ScaleGranularity.TENSOR;
      case CHANNEL -> ScaleGranularity.CHANNEL;
      case GROUP -> ScaleGranularity.GROUP;
      case BLOCK -> ScaleGranularity.BLOCK;
      case TOKEN, ATTN_HEAD, TENSOR_GROUP ->
          throw fields.unsupported("strategy", "is '%s' for weights".formatted(strategy.label()));
    };
  }

  /** The smallest signed code. */
  int minCode() {
    return -(1 << (bits - 1));
  }

  /** The largest signed code. */
  int maxCode() {
    return (1 << (bits - 1)) - 1;
  }
}
