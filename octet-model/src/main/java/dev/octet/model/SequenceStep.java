package dev.octet.model;

/**
 * One sequence's part of a batch: the tokens that follow what its cache holds.
 *
 * @param ids at least one token
 * @param cache the sequence's own; each may occur once in a batch
 */
public record SequenceStep(int[] ids, KvCache cache) {
  public SequenceStep {
    if (ids.length == 0) {
      throw new IllegalArgumentException("a step needs at least one token");
    }
  }
}
