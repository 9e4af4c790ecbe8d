package dev.octet.model;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.tensor.Tensor;
import java.util.Arrays;

/**
 * The Llama family's forward pass once more: in double, one token after another, with nothing in
 * common with the code under test but the names of the tensors. Plain rotary embedding only.
 */
final class DoubleForward {
  private final TinyModel model;
  private final ModelConfig c;

  DoubleForward(TinyModel model) {
    this.model = model;
    this.c = model.config();
  }

  /** Logits of every position [ids][vocab]. */
  double[][] logits(int[] ids) {
    double[][] x = new double[ids.length][];
    Tensor embedding = model.tensor("model.embed_tokens.weight");
    for (int t = 0; t < ids.length; t++) {
      x[t] = new double[c.hiddenSize()];
      for (int j = 0; j < c.hiddenSize(); j++) {
        x[t][j] = embedding.getFloat((long) ids[t] * c.hiddenSize() + j);
      }
    }
    for (int l = 0; l < c.layers(); l++) {
      layer("model.layers." + l + ".", c.windows().get(l), x);
    }
    String head = c.tiedEmbeddings() ? "model.embed_tokens" : "lm_head";
    double[][] out = new double[ids.length][];
    for (int t = 0; t < ids.length; t++) {
      out[t] = linear(head, norm("model.norm", x[t]));
    }
    return out;
  }

  private void layer(String p, int window, double[][] x) {
    int n = x.length;
    double[][] q = new double[n][];
    double[][] k = new double[n][];
    double[][] v = new double[n][];
    for (int t = 0; t < n; t++) {
      double[] h = norm(p + "input_layernorm", x[t]);
      q[t] = turn(p + "self_attn.q_norm", linear(p + "self_attn.q_proj", h), t);
      k[t] = turn(p + "self_attn.k_norm", linear(p + "self_attn.k_proj", h), t);
      v[t] = linear(p + "self_attn.v_proj", h);
    }
    for (int t = 0; t < n; t++) {
      double[] context = new double[q[t].length];
      for (int h = 0; h < c.heads(); h++) {
        attend(q, k, v, t, h, window, context);
      }
      add(x[t], linear(p + "self_attn.o_proj", context));
      double[] y = norm(p + "post_attention_layernorm", x[t]);
      double[] gate = linear(p + "mlp.gate_proj", y);
      double[] up = linear(p + "mlp.up_proj", y);
      for (int j = 0; j < gate.length; j++) {
        gate[j] = gate[j] / (1 + Math.exp(-gate[j])) * up[j];
      }
      add(x[t], linear(p + "mlp.down_proj", gate));
    }
  }

  private void attend(
      double[][] q, double[][] k, double[][] v, int t, int head, int window, double[] context) {
    int d = c.headDim();
    int qAt = head * d;
    int kvAt = head / (c.heads() / c.kvHeads()) * d;
    double sum = 0;
    double[] out = new double[d];
    for (int s = window == 0 ? 0 : Math.max(0, t - window + 1); s <= t; s++) {
      double score = 0;
      for (int j = 0; j < d; j++) {
        score += q[t][qAt + j] * k[s][kvAt + j];
      }
      double p = Math.exp(score / Math.sqrt(d));
      sum += p;
      for (int j = 0; j < d; j++) {
        out[j] += p * v[s][kvAt + j];
      }
    }
    for (int j = 0; j < d; j++) {
      context[qAt + j] = out[j] / sum;
    }
  }

  /** QK-norm if there is one, then the rotation by position {@code t}, head by head. */
  private double[] turn(String normName, double[] x, int t) {
    int d = c.headDim();
    double[] out = x.clone();
    for (int at = 0; at < x.length; at += d) {
      double[] head = Arrays.copyOfRange(x, at, at + d);
      if (model.hasTensor(normName + ".weight")) {
        head = norm(normName, head);
      }
      for (int i = 0; i < d / 2; i++) {
        double angle = t * Math.pow(c.ropeTheta(), -2.0 * i / d);
        double a = head[i];
        double b = head[i + d / 2];
        out[at + i] = a * Math.cos(angle) - b * Math.sin(angle);
        out[at + i + d / 2] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
    return out;
  }

  private double[] linear(String module, double[] x) {
    Tensor w = model.tensor(module + ".weight");
    double[] y = new double[(int) w.dim(0)];
    for (int i = 0; i < y.length; i++) {
      y[i] = biasOf(module, i);
      for (int j = 0; j < x.length; j++) {
        y[i] += w.getFloat((long) i * x.length + j) * x[j];
      }
    }
    return y;
  }

  private double[] norm(String module, double[] x) {
    double squares = 0;
    for (double v : x) {
      squares += v * v;
    }
    double scale = 1 / Math.sqrt(squares / x.length + c.rmsNormEps());
    double[] y = new double[x.length];
    for (int j = 0; j < x.length; j++) {
      y[j] = x[j] * scale * model.tensor(module + ".weight").getFloat(j) + biasOf(module, j);
    }
    return y;
  }

  private double biasOf(String module, int i) {
    String name = module + ".bias";
    return model.hasTensor(name) ? model.tensor(name).getFloat(i) : 0;
  }

  private static void add(double[] x, double[] y) {
    for (int j = 0; j < x.length; j++) {
      x[j] += y[j];
    }
  }
}
