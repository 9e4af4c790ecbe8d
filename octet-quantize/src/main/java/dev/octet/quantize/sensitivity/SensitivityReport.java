package dev.octet.quantize.sensitivity;

import java.util.Comparator;
import java.util.List;

/**
 * What was found of a whole model. All lists of losses have an entry a scheme.
 *
 * @param schemes what was tried
 * @param linears all linear layers of the decoder, in the order of the forward pass
 * @param layers what quantizing one whole decoder layer loses; empty if that was not asked for
 * @param whole what quantizing all of them loses
 * @param tokens predicted for every loss
 * @param perplexity of the original on them
 */
public record SensitivityReport(
    List<Candidate> schemes,
    List<LinearReport> linears,
    List<List<Loss>> layers,
    List<Loss> whole,
    long tokens,
    double perplexity) {
  public SensitivityReport {
    schemes = List.copyOf(schemes);
    linears = List.copyOf(linears);
    layers = List.copyOf(layers);
    whole = List.copyOf(whole);
  }

  /** What a linear layer does to the model in a scheme: its divergence, or else output error. */
  private static double weight(LinearReport linear, int scheme) {
    LinearReport.Effect effect = linear.effects().get(scheme);
    return effect.loss() == null ? effect.error().output() : effect.loss().divergence();
  }

  /** Linear layers, the most sensitive to a scheme first. */
  public List<LinearReport> ranking(int scheme) {
    return linears.stream()
        .sorted(Comparator.comparingDouble((LinearReport l) -> weight(l, scheme)).reversed())
        .toList();
  }

  /** Sum of the divergences of all linear layers, each quantized alone. */
  public double sum(int scheme) {
    return linears.stream().mapToDouble(l -> weight(l, scheme)).sum();
  }
}
