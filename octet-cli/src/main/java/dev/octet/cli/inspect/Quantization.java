package dev.octet.cli.inspect;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.model.InputScales;
import dev.octet.model.ScaleReport;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.stream.Stream;

/**
 * How a checkpoint's linear layers and cache are quantized.
 *
 * @param layers number of linear layers by weight and activation type, as they come
 * @param weightScales quantized layers, each with its scales (opening refuses one without)
 * @param inputs static input scales
 * @param dynamicInputs layers whose input scales are computed for each token
 * @param attention calibrated scales of caches and queries
 * @param weightBytes memory of all weights, scales included
 * @param notices what is computed otherwise than the checkpoint says
 */
public record Quantization(
    SequencedMap<String, Integer> layers,
    int weightScales,
    InputScales inputs,
    int dynamicInputs,
    ScaleReport attention,
    long weightBytes,
    List<String> notices) {

  static Quantization of(Checkpoint checkpoint) {
    Counter counter = new Counter();
    ModelLayout.linears(
        checkpoint.config(), l -> counter.add(l.module(), checkpoint.linear(l.module())));
    counter.bytes += checkpoint.embedding().byteSize();
    ModelLayout.plain(
        checkpoint.config(),
        p -> {
          if (!p.name().equals(ModelLayout.EMBEDDING)) {
            counter.bytes += checkpoint.tensor(p.name()).byteSize();
          }
        });
    return new Quantization(
        counter.layers,
        counter.quantized,
        counter.inputs,
        counter.dynamic,
        ScaleReport.of(checkpoint),
        counter.bytes,
        checkpoint.notices());
  }

  private static final class Counter {
    private final SequencedMap<String, Integer> layers = new LinkedHashMap<>();
    private int quantized;
    private final InputScales inputs = new InputScales();
    private int dynamic;
    private long bytes;

    void add(String module, LinearWeights layer) {
      inputs.add(module, layer);
      QuantizedWeight weight = layer.weight();
      ActivationQuant input = layer.activation();
      String label = weight.label() + (input.quantizes() ? ", inputs " + input.label() : "");
      label += layer.inputScale() == null ? "" : ", scaled";
      label += layer.inputMatrix() == null ? "" : ", turned by " + layer.inputMatrix().label();
      label += layer.lowRank() == null ? "" : ", beside rank " + layer.lowRank().rank();
      layers.merge(label, 1, Integer::sum);
      bytes += layer.byteSize();
      quantized += weight instanceof DenseWeight ? 0 : 1;
      switch (input.unclipped()) {
        case ActivationQuant.None _, ActivationQuant.Clipped _ -> {}
        case ActivationQuant.StaticInt8 _,
            ActivationQuant.StaticFp8 _,
            ActivationQuant.Fp4Group _ -> {}
        case ActivationQuant.DynamicInt8 _,
            ActivationQuant.AsymmetricInt8 _,
            ActivationQuant.DynamicInt4 _,
            ActivationQuant.DynamicFp8 _,
            ActivationQuant.DynamicFp8Block _,
            ActivationQuant.MxGroup _ ->
            dynamic++;
      }
    }
  }

  /** Whether any layer is quantized already. */
  public boolean quantized() {
    return weightScales > 0;
  }

  /** How large the static scales of inputs, attention and cache are. */
  public List<ScaleReport.Range> allRanges() {
    return Stream.concat(inputs.ranges().stream(), attention.ranges().stream()).toList();
  }

  /** The same in words, a line each. */
  public List<String> ranges() {
    return allRanges().stream()
        .map(
            r ->
                String.format(
                    Locale.ROOT,
                    "%s %s: %d from %.3g to %.3g, median %.3g%s",
                    r.kind(),
                    r.type(),
                    r.scales(),
                    r.min(),
                    r.max(),
                    r.median(),
                    r.offsets() ? ", with offsets" : ""))
        .toList();
  }

  /** What is wrong with the scales, a line each. */
  public List<String> problems() {
    return Stream.concat(inputs.problems().stream(), attention.problems().stream()).toList();
  }

  /** Scales that are there and scales that are not, in words. */
  public String scales() {
    return "weights: %d %s; inputs: %d calibrated, %d computed for each token; cache: %s"
        .formatted(
            weightScales,
            weightScales == 1 ? "layer" : "layers",
            inputs.layers(),
            dynamicInputs,
            attention.calibrated().isEmpty()
                ? "none, computed where a quantized cache is asked for"
                : attention.calibrated().size()
                    + " of "
                    + attention.layers()
                    + " layers"
                    + (attention.queries().isEmpty() ? "" : ", with their queries"));
  }
}
