package dev.octet.train;

/** The number format of matrix products in training; parameters and sums are F32 either way. */
public enum ComputeType {
  /** 32-bit throughout. */
  F32,
  /** 16-bit brain floats in matrix products and attention: faster where the CPU or GPU has them. */
  BF16
}
