package dev.octet.quantize.calibrate;

import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;

/** What a part of a decoder layer makes of its input, a row a token, F32. */
@FunctionalInterface
interface Stage {
  Tensor apply(Tensor input, Arena scratch);
}
