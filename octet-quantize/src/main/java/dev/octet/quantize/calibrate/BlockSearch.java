package dev.octet.quantize.calibrate;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.model.LayerRunner;
import dev.octet.model.LayerRunner.Part;
import dev.octet.quantize.method.ScaleSearch;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * AWQ's choice of scales for the linear layers that read one input: of all candidates the one with
 * which the <em>block</em> they belong to, attention or feed-forward as a whole, comes closest to
 * the unquantized one. What an error of queries and keys does is known behind the softmax only, and
 * one of the gate behind the activation.
 *
 * <p>The sequences tried on are taken in two halves. The first chooses, the second must agree that
 * the choice is better than none: what only fits the text it was found on is not taken.
 */
final class BlockSearch {
  /** What becomes of a layer whose weight has been scaled: quantized, or left as it is. */
  @FunctionalInterface
  interface Maker {
    LinearWeights make(Part part, Tensor scaled, Arena arena);
  }

  private final LayerRunner runner;
  private final Kernels kernels;
  private final Stage block;
  private final Map<Part, Tensor> weights;
  private final Maker maker;
  private final List<Tensor> inputs;
  private final List<Tensor> wanted = new ArrayList<>();

  /**
   * @param weights F32 of all layers that read the input
   * @param inputs of the block, F32 [tokens, k] a sequence
   * @param arena owns what the block makes of them unquantized
   */
  BlockSearch(
      LayerRunner runner,
      Kernels kernels,
      Stage block,
      Map<Part, Tensor> weights,
      Maker maker,
      List<Tensor> inputs,
      Arena arena) {
    this.runner = runner;
    this.kernels = kernels;
    this.block = block;
    this.weights = weights;
    this.maker = maker;
    this.inputs = inputs;
    for (Tensor input : inputs) {
      try (Arena scratch = Arena.ofShared()) {
        Tensor out = block.apply(input, scratch);
        wanted.add(Tensor.allocate(arena, DType.F32, out.shape()));
        wanted.getLast().segment().copyFrom(out.segment());
      }
    }
  }

  /** The best of the candidates, the first of which changes nothing. */
  float[] best(List<float[]> candidates) {
    double[] plain = errors(candidates.getFirst());
    double[] least = plain;
    float[] best = candidates.getFirst();
    for (float[] s : candidates.subList(1, candidates.size())) {
      double[] error = errors(s);
      if (error[0] < least[0]) {
        least = error;
        best = s;
      }
    }
    return least[1] < plain[1] ? best : candidates.getFirst();
  }

  /** Squared error over the sequences of even and of odd number. */
  private double[] errors(float[] s) {
    Map<Part, Linear> before = new EnumMap<>(Part.class);
    try (Arena arena = Arena.ofShared()) {
      weights.forEach(
          (part, weight) -> {
            before.put(part, runner.get(part));
            Tensor scaled = ScaleSearch.scaled(weight, s, false, arena);
            runner.set(part, kernels.linear(maker.make(part, scaled, arena), arena));
          });
      double[] sums = new double[2];
      for (int i = 0; i < inputs.size(); i++) {
        sums[i % 2] += error(i, s);
      }
      if (inputs.size() == 1) {
        sums[1] = sums[0];
      }
      return sums;
    } finally {
      before.forEach(runner::set);
    }
  }

  private double error(int sequence, float[] s) {
    try (Arena scratch = Arena.ofShared()) {
      Tensor x = ScaleSearch.scaled(inputs.get(sequence), s, true, scratch);
      return ScaleSearch.distance(block.apply(x, scratch), wanted.get(sequence));
    }
  }
}
