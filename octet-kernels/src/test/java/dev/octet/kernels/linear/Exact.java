package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.octet.kernels.Kernels;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;

/**
 * A layer's outputs straight from the definition, in double precision.
 *
 * @param magnitude Σ|x|·(|w| + 2·|offset|) + |bias| of each, which rounding errors are relative to
 */
record Exact(String what, double[] outputs, double[] magnitude) {
  static Exact of(LinearWeights weights, Tensor x) {
    int m = (int) x.dim(0);
    int k = (int) x.dim(1);
    int n = (int) weights.weight().rows();
    double[] outputs = new double[m * n];
    double[] magnitude = new double[m * n];
    float[][] inputs = inputs(weights, x);
    float[] w = new float[k];
    for (int o = 0; o < n; o++) {
      weights.weight().dequantizeRow(o, w);
      float[] offsets = Weights.offsets(weights.weight(), o);
      double bias = weights.bias() == null ? 0 : weights.bias().getFloat(o);
      for (int r = 0; r < m; r++) {
        double sum = bias;
        double size = Math.abs(bias);
        for (int j = 0; j < k; j++) {
          double input = inputs[r][j];
          sum += input * w[j];
          size += Math.abs(input) * (Math.abs(w[j]) + 2 * Math.abs(offsets[j]));
        }
        outputs[r * n + o] = sum;
        magnitude[r * n + o] = size;
      }
    }
    return new Exact(weights.weight().label() + ", x " + x, outputs, magnitude);
  }

  private static float[][] inputs(LinearWeights weights, Tensor x) {
    float[][] inputs = new float[(int) x.dim(0)][];
    for (int r = 0; r < inputs.length; r++) {
      inputs[r] = x.row(r).toFloats();
      for (int j = 0; j < inputs[r].length && weights.inputScale() != null; j++) {
        inputs[r][j] *= weights.inputScale().getFloat(j);
      }
      Activations.roundTrip(weights.activation(), inputs[r]);
    }
    return inputs;
  }

  void check(Kernels kernels, String name, float[] got) {
    double bound = kernels.name().equals("reference") ? 3e-7 : 5e-6;
    for (int i = 0; i < got.length; i++) {
      double most = bound * magnitude[i] + 1e-30;
      if (!(Math.abs(got[i] - outputs[i]) <= most)) {
        assertThat((double) got[i])
            .as("%s, %s, element %d", name, what, i)
            .isCloseTo(outputs[i], within(most));
      }
    }
  }
}
