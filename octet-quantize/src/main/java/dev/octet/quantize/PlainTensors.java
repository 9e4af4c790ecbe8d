package dev.octet.quantize;

import dev.octet.checkpoint.CompressedTensorsWriter;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.WeightSource;

/** Embeddings and norms on their way from a model into another, as they are. */
public final class PlainTensors {
  private PlainTensors() {}

  /**
   * Copies a tensor and, if it is a norm's weight that has one, the bias beside it; what an
   * interrupted run has copied stays.
   *
   * @throws dev.octet.checkpoint.CheckpointException if the model lacks the tensor
   */
  public static void copy(WeightSource source, String name, CompressedTensorsWriter writer) {
    add(source, name, writer);
    String bias = ModelLayout.normBias(name);
    if (source.hasTensor(bias)) {
      add(source, bias, writer);
    }
  }

  private static void add(WeightSource source, String name, CompressedTensorsWriter writer) {
    if (!writer.hasTensor(name)) {
      writer.addDense(name, source.tensor(name));
    }
  }
}
