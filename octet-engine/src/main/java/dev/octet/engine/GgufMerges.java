package dev.octet.engine;

import dev.octet.checkpoint.gguf.GgufMetadata;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;

/** Merges of byte-pair encoding, the first of which is done first. */
final class GgufMerges {
  private GgufMerges() {}

  /** Two pieces that become one. */
  record Pair(String left, String right) {}

  /** A pair with what decides its place. */
  private record Ranked(Pair pair, float score, int leftId, int rightId) {}

  /** Merges as the file lists them, left and right with a space between. */
  static List<Pair> stated(GgufMetadata metadata, List<String> tokens, List<String> merges) {
    Map<String, Integer> ids = ids(tokens);
    List<Pair> pairs = new ArrayList<>(merges.size());
    for (String merge : merges) {
      int space = merge.indexOf(' ', 1);
      if (space < 0 || space == merge.length() - 1) {
        throw metadata.problem("tokenizer.ggml.merges", "holds '" + merge + "', which is no pair");
      }
      Pair pair = new Pair(merge.substring(0, space), merge.substring(space + 1));
      boolean known =
          ids.containsKey(pair.left)
              && ids.containsKey(pair.right)
              && ids.containsKey(pair.left + pair.right);
      if (!known) {
        throw metadata.problem(
            "tokenizer.ggml.merges", "holds '" + merge + "', of which not all are tokens");
      }
      pairs.add(pair);
    }
    return pairs;
  }

  /**
   * SentencePiece merges whichever pair makes the piece of the highest score: every way to make a
   * piece of two is a merge, and the pieces' scores order them.
   *
   * @param isText tokens that merging may make
   */
  static List<Pair> byScore(List<String> tokens, float[] scores, IntPredicate isText) {
    Map<String, Integer> ids = ids(tokens);
    List<Ranked> ranked = new ArrayList<>();
    for (int id = 0; id < tokens.size(); id++) {
      String piece = tokens.get(id);
      if (!isText.test(id) || ids.getOrDefault(piece, id) != id) {
        continue;
      }
      for (int cut = next(piece, 0); cut < piece.length(); cut = next(piece, cut)) {
        Integer left = ids.get(piece.substring(0, cut));
        Integer right = ids.get(piece.substring(cut));
        if (left != null && right != null && isText.test(left) && isText.test(right)) {
          Pair pair = new Pair(piece.substring(0, cut), piece.substring(cut));
          ranked.add(new Ranked(pair, scores[id], left, right));
        }
      }
    }
    ranked.sort(
        Comparator.comparingDouble((Ranked r) -> -r.score)
            .thenComparingInt(Ranked::leftId)
            .thenComparingInt(Ranked::rightId));
    return ranked.stream().map(Ranked::pair).toList();
  }

  private static int next(String piece, int at) {
    return piece.isEmpty() ? 1 : piece.offsetByCodePoints(at, 1);
  }

  private static Map<String, Integer> ids(List<String> tokens) {
    Map<String, Integer> ids = new HashMap<>();
    for (int id = 0; id < tokens.size(); id++) {
      ids.putIfAbsent(tokens.get(id), id);
    }
    return ids;
  }
}
