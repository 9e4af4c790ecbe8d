package dev.octet.quantize.sensitivity;

import dev.octet.model.LayerRunner;
import dev.octet.model.LayerRunner.Part;
import dev.octet.quantize.calibrate.InputStats;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;

/**
 * What the linear layers of one decoder layer are given.
 *
 * @param attention q, k and v
 * @param context o
 * @param feedForward gate and up
 * @param activated down
 */
record LayerInputs(
    InputStats attention, InputStats context, InputStats feedForward, InputStats activated) {

  /** Runs a layer over the streams before it, which stay as they are. */
  static LayerInputs of(LayerRunner runner, List<Tensor> streams, Arena arena) {
    long rows = streams.stream().mapToLong(Tensor::rows).sum();
    LayerInputs inputs =
        new LayerInputs(
            stats(runner, Part.QUERY, rows, arena),
            stats(runner, Part.OUTPUT, rows, arena),
            stats(runner, Part.GATE, rows, arena),
            stats(runner, Part.DOWN, rows, arena));
    for (Tensor stream : streams) {
      try (Arena scratch = Arena.ofShared()) {
        inputs.add(runner, stream.to(stream.dtype(), scratch), scratch);
      }
    }
    return inputs;
  }

  private static InputStats stats(LayerRunner runner, Part part, long rows, Arena arena) {
    return new InputStats(runner.inputs(part), rows, null, null, arena);
  }

  private void add(LayerRunner runner, Tensor hidden, Arena scratch) {
    Tensor input = runner.attentionInput(hidden, scratch);
    attention.add(input);
    Tensor attended = runner.attend(runner.project(input, scratch), scratch);
    context.add(attended);
    runner.addOutput(attended, hidden);
    Tensor normed = runner.feedForwardInput(hidden, scratch);
    feedForward.add(normed);
    activated.add(runner.activate(normed, scratch));
  }

  InputStats of(Part part) {
    return switch (part) {
      case QUERY, KEY, VALUE -> attention;
      case OUTPUT -> context;
      case GATE, UP -> feedForward;
      case DOWN -> activated;
    };
  }
}
