package dev.octet.bench.conformance;

import dev.octet.checkpoint.packing.Packing;
import dev.octet.tensor.Nibbles;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** The bit layouts of packed integers among the parts of a codec case, both ways. */
final class PackingPart {
  private PackingPart() {}

  static List<CodecPart> all() {
    return List.of(packQuantized(3), packQuantized(4), packQuantized(8), pairs(false), pairs(true));
  }

  /**
   * {@code pack-quantized} of compressed-tensors. Codes are packed again where the writer stores
   * that width: 4 and 8 bits.
   */
  private static CodecPart packQuantized(int bits) {
    String prefix = "ct" + bits + ".";
    String words = prefix + "weight_packed";
    String zeroWords = prefix + "weight_zero_point";
    return new CodecPart(
        "compressed-tensors int" + bits,
        words,
        Set.of(prefix + "codes", words, prefix + "zero_points", zeroWords),
        file -> {
          Tensor codes = file.get(prefix + "codes", -1, -1);
          Tensor zeros = file.get(prefix + "zero_points", codes.dim(0), -1);
          long rowWords = Packing.words(codes.dim(1), bits);
          long columnWords = Packing.words(zeros.dim(0), bits);
          Tensor packed = file.get(words, codes.dim(0), rowWords);
          Tensor packedZeros = file.get(zeroWords, columnWords, zeros.dim(1));
          Tensor back = Packing.unpack(packed, codes.dim(1), bits);
          Tensor zerosBack = Packing.zeroPoints(packedZeros, zeros.dim(0), bits);
          Optional<String> problem =
              differs(back, codes, "code").or(() -> differs(zerosBack, zeros, "zero point"));
          return problem.isPresent() || bits == 3
              ? problem
              : differs(Packing.packCodes(back, bits), packed, "word")
                  .or(() -> differs(Packing.packZeroPoints(zerosBack, bits), packedZeros, "word"));
        });
  }

  /**
   * Two's-complement nibbles, the even one low.
   *
   * @param rows whether two rows make a pair, or two neighbours in a row
   */
  private static CodecPart pairs(boolean rows) {
    String result = rows ? "int4.pairs_along_output" : "int4.pairs_along_input";
    return new CodecPart(
        result.replace('_', ' ').replace('.', ' '),
        result,
        Set.of("int4.codes", result),
        file -> {
          Tensor codes = file.get("int4.codes", -1, -1);
          long n = codes.dim(0) / (rows ? 2 : 1);
          long k = codes.dim(1) / (rows ? 1 : 2);
          Tensor pairs = file.get(result, n, k);
          for (long i = 0; i < pairs.size(); i++) {
            long even = rows ? i / k * 2 * k + i % k : 2 * i;
            int low = (int) codes.getLong(even);
            int high = (int) codes.getLong(even + (rows ? k : 1));
            byte pair = (byte) pairs.getLong(i);
            if (Nibbles.low(pair) != low
                || Nibbles.high(pair) != high
                || Nibbles.pair(low, high) != pair) {
              return Optional.of("pair %d is 0x%02x, not (%d, %d)".formatted(i, pair, low, high));
            }
          }
          return Optional.empty();
        });
  }

  private static Optional<String> differs(Tensor got, Tensor want, String what) {
    for (long i = 0; i < want.size(); i++) {
      if (got.getLong(i) != want.getLong(i)) {
        return Optional.of(
            "%s %d is %d, not %d".formatted(what, i, got.getLong(i), want.getLong(i)));
      }
    }
    return got.size() == want.size()
        ? Optional.empty()
        : Optional.of("%s: %s instead of %s".formatted(what, got, want));
  }
}
