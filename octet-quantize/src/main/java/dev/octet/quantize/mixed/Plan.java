package dev.octet.quantize.mixed;

import java.util.List;

/**
 * The mix that was chosen, and what else there would have been.
 *
 * @param budget what it keeps to
 * @param chosen the mix
 * @param frontier the best mixes found from small to large, the chosen one among them
 * @param uniform one scheme for all, each
 * @param notes what was found on the way, one line each
 */
public record Plan(
    Budget budget,
    MixPoint chosen,
    List<MixPoint> frontier,
    List<MixPoint> uniform,
    List<String> notes) {
  public Plan {
    frontier = List.copyOf(frontier);
    uniform = List.copyOf(uniform);
    notes = List.copyOf(notes);
  }
}
