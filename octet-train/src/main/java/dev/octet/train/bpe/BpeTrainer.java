package dev.octet.train.bpe;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.PriorityQueue;
import java.util.Set;

/**
 * Learns byte-pair merges (Sennrich et al. 2016) from text.
 *
 * <p>Words are counted once; the count of every pair of neighbours is then kept up to date as
 * merges are made. Candidates wait in a priority queue with the count they had when they were
 * queued; one whose count has fallen since is put back with the true one. Among equal counts the
 * pair with the smaller ids wins, so the result depends on the text alone. A pair that would spell
 * a token the vocabulary already has is passed over: tokens are told apart by their text in
 * tokenizer.json.
 */
public final class BpeTrainer {
  private final Map<String, Integer> words = new HashMap<>();

  /** A trainer that has seen no text yet. */
  public BpeTrainer() {}

  /** Counts the pieces of some text; call as often as there are texts. */
  public void add(CharSequence text) {
    PreTokenizer.split(text, piece -> words.merge(piece, 1, Math::addExact));
  }

  /**
   * Learns a vocabulary from the text added so far.
   *
   * @param size number of tokens wanted, special ones and the 256 bytes included; fewer come out if
   *     the text has no pair left that occurs twice
   */
  public BpeVocabulary train(int size) {
    List<String> special = List.of(BpeVocabulary.BEGIN, BpeVocabulary.END);
    if (size < special.size() + 256) {
      throw new IllegalArgumentException(
          "a byte-level vocabulary needs at least %d tokens, not %d"
              .formatted(special.size() + 256, size));
    }
    List<BpeVocabulary.Merge> merges = new Learner(special).learn(size - special.size() - 256);
    return new BpeVocabulary(special, merges);
  }

  private static long key(int left, int right) {
    return (long) left << 32 | right;
  }

  private record Candidate(long pair, long count) implements Comparable<Candidate> {
    @Override
    public int compareTo(Candidate other) {
      int byCount = Long.compare(other.count, count);
      return byCount != 0 ? byCount : Long.compare(pair, other.pair);
    }
  }

  private final class Learner {
    private final int first;
    private final int[][] symbols;
    private final int[] counts;
    private final Map<Long, Long> pairs = new HashMap<>();
    private final Map<Long, Places> where = new HashMap<>();
    private final List<String> textOf = new ArrayList<>();
    private final Set<String> texts = new HashSet<>();
    private final PriorityQueue<Candidate> queue = new PriorityQueue<>();

    Learner(List<String> special) {
      first = special.size() + 256;
      BpeVocabulary bytes = new BpeVocabulary(special, List.of());
      int[] idOfByte = new int[256];
      for (int b = 0; b < 256; b++) {
        idOfByte[b] = bytes.idOfByte(b);
      }
      bytes.tokens().forEach(token -> textOf.add(ByteAlphabet.encode(token)));
      texts.addAll(textOf);
      symbols = new int[words.size()][];
      counts = new int[words.size()];
      int at = 0;
      for (Map.Entry<String, Integer> word : words.entrySet()) {
        byte[] utf8 = ByteAlphabet.utf8(word.getKey());
        symbols[at] = new int[utf8.length];
        for (int i = 0; i < utf8.length; i++) {
          symbols[at][i] = idOfByte[utf8[i] & 0xFF];
        }
        counts[at++] = word.getValue();
      }
    }

    List<BpeVocabulary.Merge> learn(int wanted) {
      for (int w = 0; w < symbols.length; w++) {
        count(w, 1);
        for (int i = 0; i + 1 < symbols[w].length; i++) {
          index(key(symbols[w][i], symbols[w][i + 1]), w);
        }
      }
      pairs.forEach((pair, count) -> queue.add(new Candidate(pair, count)));
      List<BpeVocabulary.Merge> merges = new ArrayList<>(wanted);
      while (merges.size() < wanted && !queue.isEmpty()) {
        Candidate best = queue.remove();
        long now = pairs.getOrDefault(best.pair, 0L);
        int left = (int) (best.pair >>> 32);
        int right = (int) best.pair;
        if (now >= 2 && now != best.count) {
          queue.add(new Candidate(best.pair, now));
        } else if (now >= 2 && texts.add(textOf.get(left) + textOf.get(right))) {
          textOf.add(textOf.get(left) + textOf.get(right));
          merge(left, right, first + merges.size());
          merges.add(new BpeVocabulary.Merge(left, right));
        }
      }
      return merges;
    }

    /** Adds (or, with sign -1, takes away) the pairs of one word. */
    private void count(int word, int sign) {
      int[] s = symbols[word];
      for (int i = 0; i + 1 < s.length; i++) {
        pairs.merge(key(s[i], s[i + 1]), (long) sign * counts[word], Long::sum);
      }
    }

    private void index(long pair, int word) {
      where.computeIfAbsent(pair, k -> new Places()).add(word);
    }

    private void merge(int left, int right, int made) {
      long pair = key(left, right);
      Places touched = Objects.requireNonNull(where.remove(pair), "pair without a place");
      Set<Long> gained = new HashSet<>();
      for (int i = 0; i < touched.length; i++) {
        int word = touched.words[i];
        int[] joined = join(symbols[word], left, right, made);
        if (joined.length == symbols[word].length) {
          continue; // an earlier merge took the pair away here
        }
        count(word, -1);
        symbols[word] = joined;
        count(word, 1);
        indexNew(word, made, gained);
      }
      pairs.remove(pair);
      for (long p : gained) {
        queue.add(new Candidate(p, pairs.getOrDefault(p, 0L)));
      }
    }

    /** Only pairs with the new token can have gained occurrences. */
    private void indexNew(int word, int made, Set<Long> gained) {
      int[] s = symbols[word];
      for (int i = 0; i + 1 < s.length; i++) {
        if (s[i] == made || s[i + 1] == made) {
          long pair = key(s[i], s[i + 1]);
          index(pair, word);
          gained.add(pair);
        }
      }
    }
  }

  /** The words in which a pair was seen; an entry may be out of date. */
  private static final class Places {
    private int[] words = new int[4];
    private int length;

    void add(int word) {
      if (length > 0 && words[length - 1] == word) {
        return;
      }
      if (length == words.length) {
        words = Arrays.copyOf(words, length * 2);
      }
      words[length++] = word;
    }
  }

  /** Replaces each {@code left, right} by {@code made}, from left to right. */
  static int[] join(int[] s, int left, int right, int made) {
    int[] out = new int[s.length];
    int n = 0;
    for (int i = 0; i < s.length; i++) {
      if (i + 1 < s.length && s[i] == left && s[i + 1] == right) {
        out[n++] = made;
        i++;
      } else {
        out[n++] = s[i];
      }
    }
    return Arrays.copyOf(out, n);
  }
}
