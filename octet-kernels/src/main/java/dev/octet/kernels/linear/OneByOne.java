package dev.octet.kernels.linear;

import dev.octet.kernels.Linear;
import dev.octet.kernels.LinearGroup;
import dev.octet.tensor.Tensor;
import java.util.List;

/** A group whose layers run one after another. */
public record OneByOne(List<Linear> layers) implements LinearGroup {
  public OneByOne {
    layers = List.copyOf(layers);
    Shapes.requireGroup(layers);
  }

  @Override
  public void apply(Tensor x, Tensor... outs) {
    Shapes.requireOutputs(layers, outs);
    for (int i = 0; i < outs.length; i++) {
      layers.get(i).apply(x, outs[i]);
    }
  }
}
