package dev.octet.train.bpe;

import java.util.ArrayList;
import java.util.List;

/**
 * A byte-level vocabulary: special tokens first, then the 256 bytes, then one token a merge.
 *
 * @param special special tokens, ids from 0
 * @param merges pairs of ids in the order in which they were learned; merge {@code i} makes token
 *     {@code special.size() + 256 + i}
 */
public record BpeVocabulary(List<String> special, List<Merge> merges) {
  /** First token of every sequence. */
  public static final String BEGIN = "<|begin_of_text|>";

  /** Last token of every document. */
  public static final String END = "<|end_of_text|>";

  /** Two neighbouring tokens that become one. */
  public record Merge(int left, int right) {}

  /** Checks that every merge joins tokens that exist before it. */
  public BpeVocabulary {
    special = List.copyOf(special);
    merges = List.copyOf(merges);
    for (int i = 0; i < merges.size(); i++) {
      Merge merge = merges.get(i);
      int first = special.size();
      int end = special.size() + 256 + i;
      if (merge.left() < first
          || merge.left() >= end
          || merge.right() < first
          || merge.right() >= end) {
        throw new IllegalArgumentException(
            "merge %d joins %d and %d, but only ids %d to %d exist before it"
                .formatted(i, merge.left(), merge.right(), first, end - 1));
      }
    }
  }

  /** Number of tokens. */
  public int size() {
    return special.size() + 256 + merges.size();
  }

  /** Id of a special token, or -1. */
  public int idOf(String token) {
    return special.indexOf(token);
  }

  int idOfByte(int value) {
    for (int place = 0; place < 256; place++) {
      if (ByteAlphabet.byteAt(place) == value) {
        return special.size() + place;
      }
    }
    throw new IllegalArgumentException("not a byte: " + value);
  }

  /** The bytes of every token, empty for special ones. */
  List<byte[]> tokens() {
    List<byte[]> tokens = new ArrayList<>(size());
    for (int i = 0; i < special.size(); i++) {
      tokens.add(new byte[0]);
    }
    for (int place = 0; place < 256; place++) {
      tokens.add(new byte[] {(byte) ByteAlphabet.byteAt(place)});
    }
    for (Merge merge : merges) {
      byte[] left = tokens.get(merge.left());
      byte[] right = tokens.get(merge.right());
      byte[] joined = new byte[left.length + right.length];
      System.arraycopy(left, 0, joined, 0, left.length);
      System.arraycopy(right, 0, joined, left.length, right.length);
      tokens.add(joined);
    }
    return tokens;
  }
}
