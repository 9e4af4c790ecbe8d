package dev.octet.train;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * AdamW with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2) over one flat
 * parameter vector, with the gradient's global norm clipped first.
 */
final class AdamW implements AutoCloseable {
  private final FlatParameters parameters;
  private final Tensor first;
  private final Tensor second;
  private final Tensor decay;
  private final double beta1;
  private final double beta2;
  private final double eps;

  AdamW(FlatParameters parameters, double beta1, double beta2, double eps, double weightDecay) {
    this.parameters = parameters;
    this.beta1 = beta1;
    this.beta2 = beta2;
    this.eps = eps;
    first = torch.zeros(new long[] {parameters.length()}).retainReference();
    second = torch.zeros(new long[] {parameters.length()}).retainReference();
    decay = torch.zeros(new long[] {parameters.length()}).retainReference();
    try (FloatPointer data = new FloatPointer(decay.data_ptr())) {
      for (FlatParameters.Slot slot : parameters.slots().values()) {
        for (long i = 0; slot.decays() && i < slot.length(); i++) {
          data.put(slot.offset() + i, (float) weightDecay);
        }
      }
    }
  }

  /**
   * Updates the parameters from their gradients and sets the gradients to zero.
   *
   * @param step number of this update, from 1
   * @param clip largest allowed 2-norm of the whole gradient
   * @return the gradient's norm before clipping
   */
  double step(long step, double learningRate, double clip) {
    try (PointerScope _ = new PointerScope();
        Gradients _ = Gradients.off()) {
      Tensor gradient = parameters.gradients();
      double norm = Math.sqrt(gradient.dot(gradient).item_double());
      if (!Double.isFinite(norm)) {
        throw new TrainException(
            "the gradient is not a number at step %d: lower --lr or train in f32".formatted(step));
      }
      if (norm > clip) {
        gradient.mul_(new Scalar(clip / norm));
      }
      parameters.values().addcmul_(parameters.values(), decay, new Scalar(-learningRate));
      first.lerp_(gradient, new Scalar(1 - beta1));
      second.mul_(new Scalar(beta2)).addcmul_(gradient, gradient, new Scalar(1 - beta2));
      double correction1 = 1 - Math.pow(beta1, (double) step);
      double correction2 = Math.sqrt(1 - Math.pow(beta2, (double) step));
      // lr * (m / c1) / (sqrt(v) / c2 + eps), with the constants pulled out of the vectors.
      Tensor denominator = second.sqrt().add(new Scalar(eps * correction2));
      parameters
          .values()
          .addcdiv_(first, denominator, new Scalar(-learningRate * correction2 / correction1));
      gradient.zero_();
      return norm;
    }
  }

  Tensor first() {
    return first;
  }

  Tensor second() {
    return second;
  }

  @Override
  public void close() {
    first.releaseReference();
    second.releaseReference();
    decay.releaseReference();
  }
}
