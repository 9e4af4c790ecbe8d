package dev.octet.model;

import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.LinearWeights;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/** The static scales of linear layers' inputs, gathered as layers come by. */
public final class InputScales {
  private final SequencedMap<String, List<Float>> scales = new LinkedHashMap<>();
  private int layers;
  private int ones;
  private String firstOfOnes = "";

  /** Without any scales yet. */
  public InputScales() {}

  /** Takes note of a layer's scale, and of that of its form for decoding. */
  public void add(String module, LinearWeights layer) {
    boolean one = add(layer.activation());
    boolean fixed = isStatic(layer.activation());
    if (layer.decoding() != null) {
      one |= add(layer.decoding().activation());
      fixed |= isStatic(layer.decoding().activation());
    }
    layers += fixed ? 1 : 0;
    if (one) {
      firstOfOnes = ones == 0 ? module : firstOfOnes;
      ones++;
    }
  }

  private static boolean isStatic(ActivationQuant input) {
    return input.unclipped() instanceof ActivationQuant.StaticInt8
        || input.unclipped() instanceof ActivationQuant.StaticFp8
        || input.unclipped() instanceof ActivationQuant.Fp4Group;
  }

  /** Whether the scale is 1. */
  private boolean add(ActivationQuant input) {
    return switch (input.unclipped()) {
      case ActivationQuant.StaticInt8 s -> add("int8", s.scale());
      case ActivationQuant.StaticFp8 s -> add("fp8_e4m3", s.scale());
      case ActivationQuant.Fp4Group s -> add("nvfp4", s.scale());
      default -> false;
    };
  }

  private boolean add(String type, float scale) {
    scales.computeIfAbsent(type, _ -> new ArrayList<>()).add(scale);
    return scale == 1;
  }

  /** Layers with a static scale. */
  public int layers() {
    return layers;
  }

  /** Layers whose scale is exactly 1. */
  public int ones() {
    return ones;
  }

  /** How large they are, a type each. */
  public List<ScaleReport.Range> ranges() {
    return scales.entrySet().stream()
        .map(e -> ScaleReport.Range.of("inputs", e.getKey(), e.getValue(), false))
        .toList();
  }

  /** What is wrong, one line each; empty if nothing is. */
  public List<String> problems() {
    return ones == 0
        ? List.of()
        : List.of(
            "input scales are 1.0 in %d of %d layers that have static ones, first %s: never calibrated?"
                .formatted(ones, layers, firstOfOnes));
  }
}
