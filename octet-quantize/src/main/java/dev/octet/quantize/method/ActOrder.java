package dev.octet.quantize.method;

/** In which order GPTQ quantizes the columns of a weight, and which of them share a scale. */
public enum ActOrder {
  /** As they are stored; a group's scale is chosen when its first column's turn comes. */
  NONE,
  /**
   * The group with the most important inputs first, and in each the most important input; groups
   * are those of the stored order. Costs nothing at run time.
   */
  STATIC,
  /**
   * Most important inputs first; groups follow that order, so that inputs of like importance share
   * a scale. At run time the inputs must be permuted.
   */
  GROUP
}
