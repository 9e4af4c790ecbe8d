package dev.octet.train.bpe;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Turns text into token ids and back. Special tokens are never made from text; a caller puts them.
 *
 * <p>Not safe for use by several threads at once: it remembers the words it has seen.
 */
public final class BpeEncoder {
  private static final int REMEMBERED = 1 << 18;

  private final BpeVocabulary vocabulary;
  private final List<byte[]> tokens;
  private final int[] idOfByte = new int[256];
  private final Map<Long, Integer> rank = new HashMap<>();
  private final Map<String, int[]> seen = new HashMap<>();

  public BpeEncoder(BpeVocabulary vocabulary) {
    this.vocabulary = vocabulary;
    this.tokens = vocabulary.tokens();
    for (int b = 0; b < 256; b++) {
      idOfByte[b] = vocabulary.idOfByte(b);
    }
    for (int i = 0; i < vocabulary.merges().size(); i++) {
      BpeVocabulary.Merge merge = vocabulary.merges().get(i);
      rank.put(key(merge.left(), merge.right()), i);
    }
  }

  private static long key(int left, int right) {
    return (long) left << 32 | right;
  }

  /** Ids of a text, without special tokens. */
  public int[] encode(CharSequence text) {
    Ids ids = new Ids();
    PreTokenizer.split(text, piece -> ids.add(word(piece)));
    return ids.toArray();
  }

  private int[] word(String piece) {
    int[] known = seen.get(piece);
    if (known != null) {
      return known;
    }
    byte[] utf8 = ByteAlphabet.utf8(piece);
    int[] s = new int[utf8.length];
    for (int i = 0; i < utf8.length; i++) {
      s[i] = idOfByte[utf8[i] & 0xFF];
    }
    int[] merged = mergeAll(s);
    if (seen.size() < REMEMBERED) {
      seen.put(piece, merged);
    }
    return merged;
  }

  /** Applies the earliest-learned merge that fits, until none does. */
  private int[] mergeAll(int[] word) {
    int[] s = word;
    while (s.length > 1) {
      int best = Integer.MAX_VALUE;
      for (int i = 0; i + 1 < s.length; i++) {
        best = Math.min(best, rank.getOrDefault(key(s[i], s[i + 1]), Integer.MAX_VALUE));
      }
      if (best == Integer.MAX_VALUE) {
        break;
      }
      BpeVocabulary.Merge merge = vocabulary.merges().get(best);
      int made = vocabulary.special().size() + 256 + best;
      s = BpeTrainer.join(s, merge.left(), merge.right(), made);
    }
    return s;
  }

  /** The text of some ids; special tokens give nothing, broken UTF-8 gives U+FFFD. */
  public String decode(int[] ids) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (int id : ids) {
      bytes.writeBytes(tokens.get(id));
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }

  private static final class Ids {
    private int[] data = new int[1024];
    private int length;

    void add(int[] more) {
      if (data.length - length < more.length) {
        data = Arrays.copyOf(data, Math.max(data.length * 2, length + more.length));
      }
      System.arraycopy(more, 0, data, length, more.length);
      length += more.length;
    }

    int[] toArray() {
      return Arrays.copyOf(data, length);
    }
  }
}
