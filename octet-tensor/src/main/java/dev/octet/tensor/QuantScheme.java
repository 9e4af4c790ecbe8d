package dev.octet.tensor;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * How linear layers are to be quantized: the weight's type, granularity and symmetry, and what
 * happens to the activations. Names are those of vLLM and compressed-tensors.
 *
 * @param name preset name, for instance {@code w4a16}
 * @param type what the codes are
 * @param granularity what shares a scale
 * @param group columns of a group, rows×columns of a block; 0 for tensor and channel
 * @param symmetric whether zero is code 0
 * @param activation dynamic quantization of the input; static scales need calibration
 * @param scales how exact integer weights' scales may be
 */
public record QuantScheme(
    String name,
    WeightType type,
    ScaleGranularity granularity,
    int group,
    boolean symmetric,
    ActivationQuant activation,
    ScalePrecision scales) {

  /** With scales in F32. */
  public QuantScheme(
      String name,
      WeightType type,
      ScaleGranularity granularity,
      int group,
      boolean symmetric,
      ActivationQuant activation) {
    this(name, type, granularity, group, symmetric, activation, ScalePrecision.F32);
  }

  public QuantScheme {
    boolean grouped =
        granularity == ScaleGranularity.GROUP || granularity == ScaleGranularity.BLOCK;
    if (grouped ? group < 1 : group != 0) {
      throw new IllegalArgumentException(granularity.label() + " with group " + group);
    }
    boolean fp8 = type == WeightType.FP8_E4M3 || type == WeightType.FP8_E5M2;
    if (fp8 && !symmetric) {
      throw new IllegalArgumentException("FP8 weights have no zero point");
    }
  }

  public static final QuantScheme W8A8 =
      new QuantScheme(
          "w8a8",
          WeightType.INT8,
          ScaleGranularity.CHANNEL,
          0,
          true,
          new ActivationQuant.DynamicInt8());
  public static final QuantScheme W8A16 =
      new QuantScheme(
          "w8a16", WeightType.INT8, ScaleGranularity.CHANNEL, 0, true, new ActivationQuant.None());
  public static final QuantScheme W4A16 =
      new QuantScheme(
          "w4a16", WeightType.INT4, ScaleGranularity.GROUP, 128, true, new ActivationQuant.None());
  public static final QuantScheme W4A16_ASYM =
      new QuantScheme(
          "w4a16-asym",
          WeightType.INT4,
          ScaleGranularity.GROUP,
          128,
          false,
          new ActivationQuant.None());
  public static final QuantScheme W4A8 =
      new QuantScheme(
          "w4a8",
          WeightType.INT4,
          ScaleGranularity.GROUP,
          128,
          true,
          new ActivationQuant.DynamicInt8());
  public static final QuantScheme W4A4 =
      new QuantScheme(
          "w4a4",
          WeightType.INT4,
          ScaleGranularity.GROUP,
          128,
          true,
          new ActivationQuant.DynamicInt4());
  public static final QuantScheme FP8 =
      new QuantScheme(
          "fp8", WeightType.FP8_E4M3, ScaleGranularity.TENSOR, 0, true, new ActivationQuant.None());
  public static final QuantScheme FP8_DYNAMIC =
      new QuantScheme(
          "fp8-dynamic",
          WeightType.FP8_E4M3,
          ScaleGranularity.CHANNEL,
          0,
          true,
          new ActivationQuant.DynamicFp8());
  public static final QuantScheme FP8_E5M2 =
      new QuantScheme(
          "fp8-e5m2",
          WeightType.FP8_E5M2,
          ScaleGranularity.CHANNEL,
          0,
          true,
          new ActivationQuant.None());
  public static final QuantScheme FP8_BLOCK =
      new QuantScheme(
          "fp8-block",
          WeightType.FP8_E4M3,
          ScaleGranularity.BLOCK,
          128,
          true,
          new ActivationQuant.DynamicFp8Block(128));

  private static final Map<String, QuantScheme> PRESETS = presets();

  private static Map<String, QuantScheme> presets() {
    Map<String, QuantScheme> map = new LinkedHashMap<>();
    for (QuantScheme s :
        List.of(
            W8A8, W8A16, W4A16, W4A16_ASYM, W4A8, W4A4, FP8, FP8_DYNAMIC, FP8_E5M2, FP8_BLOCK)) {
      map.put(s.name, s);
    }
    map.put("int8", W8A8);
    map.put("int4", W4A16_ASYM);
    return map;
  }

  /**
   * The preset of that name, in any case, with {@code _} for {@code -}.
   *
   * @throws IllegalArgumentException for an unknown name, listing the known ones
   */
  public static QuantScheme of(String name) {
    QuantScheme scheme = PRESETS.get(name.toLowerCase(Locale.ROOT).replace('_', '-'));
    if (scheme == null) {
      throw new IllegalArgumentException(
          "unknown quantization '" + name + "'; choose one of " + String.join(", ", names()));
    }
    return scheme;
  }

  /** All preset names, aliases included. */
  public static List<String> names() {
    return List.copyOf(PRESETS.keySet());
  }

  /** The same scheme with another group size. */
  public QuantScheme withGroup(int columns) {
    return new QuantScheme(
        name, type, ScaleGranularity.GROUP, columns, symmetric, activation, scales);
  }

  /** The same scheme with one scale a row. */
  public QuantScheme perChannel() {
    return new QuantScheme(name, type, ScaleGranularity.CHANNEL, 0, symmetric, activation, scales);
  }

  /** The same scheme for other inputs. */
  public QuantScheme withActivation(ActivationQuant other) {
    return new QuantScheme(name, type, granularity, group, symmetric, other, scales);
  }

  /** The same scheme with scales rounded so. */
  public QuantScheme withScales(ScalePrecision precision) {
    return new QuantScheme(name, type, granularity, group, symmetric, activation, precision);
  }

  /** Bits a weight takes, scales and zero points included, for rows of {@code columns}. */
  public double bitsPerWeight(long columns) {
    double scaleBits = 32 + (symmetric ? 0 : 16);
    return switch (granularity) {
      case TENSOR -> type.bits();
      case CHANNEL -> type.bits() + scaleBits / columns;
      case GROUP -> type.bits() + scaleBits / group;
      case BLOCK -> type.bits() + scaleBits / ((double) group * group);
    };
  }

  @Override
  public String toString() {
    return Arrays.stream(
            new String[] {
              type.label(),
              granularity == ScaleGranularity.GROUP ? "g" + group : granularity.label(),
              symmetric ? "sym" : "asym",
              activation.label(),
              scales == ScalePrecision.F32 ? "" : "f16 scales"
            })
        .filter(word -> !word.isEmpty())
        .collect(Collectors.joining(" ", name + " (", ")"));
  }
}
