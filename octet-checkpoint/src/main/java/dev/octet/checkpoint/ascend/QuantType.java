package dev.octet.checkpoint.ascend;

import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What {@code <attention>.quant_type} says of attention's operands: parts like {@code
 * Q_FP8_DYNAMIC} joined by {@code _}. A part without letters speaks of Q, K and V.
 *
 * @param operands the strategy of each that is quantized
 */
record QuantType(Map<Operand, Strategy> operands) {
  private static final Pattern PART =
      Pattern.compile("(?:((?=[QKVP])Q?K?V?P?)_)?(INT8|FP8|MXFP8|MXFP4)(_DYNAMIC)?(?:_|$)");

  /** What attention multiplies; P are the probabilities. */
  enum Operand {
    Q,
    K,
    V,
    P
  }

  /**
   * How an operand is quantized.
   *
   * @param type {@code INT8}, {@code FP8} …
   * @param dynamic whether scales are computed from the data instead of stored
   */
  record Strategy(String type, boolean dynamic) {}

  /** What a description without the text means: static INT8. */
  static final QuantType DEFAULT = of("INT8").orElseThrow();

  /** Empty if the text does not parse. */
  static Optional<QuantType> of(String text) {
    Map<Operand, Strategy> operands = new EnumMap<>(Operand.class);
    Matcher part = PART.matcher(text);
    int at = 0;
    while (at < text.length() && part.find(at) && part.start() == at) {
      Strategy strategy = new Strategy(part.group(2), part.group(3) != null);
      String letters = part.group(1) == null ? "QKV" : part.group(1);
      for (int i = 0; i < letters.length(); i++) {
        if (operands.put(Operand.valueOf(letters.substring(i, i + 1)), strategy) != null) {
          return Optional.empty();
        }
      }
      at = part.end();
    }
    boolean whole = at == text.length() && !text.isEmpty() && !text.endsWith("_");
    return whole && !operands.isEmpty() ? Optional.of(new QuantType(operands)) : Optional.empty();
  }

  Optional<Strategy> of(Operand operand) {
    return Optional.ofNullable(operands.get(operand));
  }
}
