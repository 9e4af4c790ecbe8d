package dev.octet.quantize.mixed;

import dev.octet.quantize.sensitivity.Candidate;

/**
 * What a unit may become, and what that costs.
 *
 * @param bytes of its weights, scales included
 * @param seconds it takes to decode a token; 0 where speed does not matter
 * @param loss what the model's predictions lose, in nats
 */
record Choice(Candidate candidate, long bytes, double seconds, double loss) {
  Choice withLoss(double other) {
    return new Choice(candidate, bytes, seconds, other);
  }
}
