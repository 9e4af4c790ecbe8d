package dev.octet.engine;

import java.util.List;

/**
 * Finds stop strings in streamed text, also across the borders of tokens. Text that may be the
 * beginning of one is held back until it is certain that it is not.
 */
final class StopStrings {
  private final List<String> stops;
  private final StringBuilder held = new StringBuilder();
  private boolean found;

  StopStrings(List<String> stops) {
    this.stops = stops;
  }

  /** The text that is certain to come before any stop string. */
  String push(String text) {
    if (found) {
      return "";
    }
    held.append(text);
    int cut = firstStop();
    found = cut >= 0;
    return release(found ? cut : held.length() - longestBeginning());
  }

  /** What was held back, when no more text comes. */
  String finish() {
    return found ? "" : release(held.length());
  }

  boolean found() {
    return found;
  }

  private String release(int length) {
    String text = held.substring(0, length);
    held.delete(0, length);
    return text;
  }

  private int firstStop() {
    return stops.stream().mapToInt(held::indexOf).filter(i -> i >= 0).min().orElse(-1);
  }

  /** Length of the longest end of the held text that a stop string begins with. */
  private int longestBeginning() {
    int longest = 0;
    for (String stop : stops) {
      for (int n = Math.min(stop.length() - 1, held.length()); n > longest; n--) {
        if (stop.startsWith(held.substring(held.length() - n))) {
          longest = n;
        }
      }
    }
    return longest;
  }
}
