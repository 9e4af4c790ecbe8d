package dev.octet.quantize.method;

/**
 * How HQQ works; the defaults are its authors'.
 *
 * @param iterations at most
 * @param norm p of the error's p-norm, in (0, 1): the smaller, the less outliers count
 * @param beta how closely the auxiliary error must follow the true one, at first
 * @param growth factor of beta in every iteration
 */
public record HqqOptions(int iterations, double norm, double beta, double growth) {
  /** 20 iterations, p = 0.7, β = 10 growing by 1 %. */
  public static final HqqOptions DEFAULT = new HqqOptions(20, 0.7, 10, 1.01);

  public HqqOptions {
    if (iterations < 1 || !(norm > 0 && norm < 1) || !(beta > 0) || !(growth >= 1)) {
      throw new IllegalArgumentException(
          "HQQ takes at least 1 iteration, a norm in (0, 1), beta > 0 and growth >= 1");
    }
  }
}
