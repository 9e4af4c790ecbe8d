package dev.octet.bench.conformance;

import dev.octet.checkpoint.packing.AwqPacking;
import dev.octet.checkpoint.packing.GptqPacking;
import dev.octet.checkpoint.packing.Packing;
import dev.octet.tensor.DType;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.Nibbles;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** The bit layouts of packed integers among the parts of a codec case, both ways. */
final class PackingPart {
  private PackingPart() {}

  static List<CodecPart> all() {
    return List.of(
        packQuantized(3),
        packQuantized(4),
        packQuantized(8),
        pairs(false),
        pairs(true),
        gptq(2),
        gptq(3),
        gptq(4),
        gptq(8),
        awq(),
        fp4(),
        dequantScale());
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

  /** {@code qweight} and {@code qzeros} of GPTQ, zero points as they are stored. */
  private static CodecPart gptq(int bits) {
    String prefix = "gptq" + bits + ".";
    String words = prefix + "qweight";
    String zeroWords = prefix + "qzeros";
    return new CodecPart(
        "gptq int" + bits,
        words,
        Set.of(prefix + "codes", words, prefix + "zeros", zeroWords),
        file -> {
          Tensor codes = file.get(prefix + "codes", -1, -1);
          long n = codes.dim(0);
          long k = codes.dim(1);
          Tensor zeros = file.get(prefix + "zeros", n, -1);
          Tensor packed = file.get(words, Packing.words(k, bits), n);
          Tensor packedZeros = file.get(zeroWords, zeros.dim(1), Packing.words(n, bits));
          return differs(GptqPacking.codes(packed, k, bits), codes, "code")
              .or(() -> differs(GptqPacking.packCodes(codes, bits), packed, "word"))
              .or(() -> differs(GptqPacking.zeros(packedZeros, n, bits), zeros, "zero point"))
              .or(() -> differs(GptqPacking.packZeros(zeros, bits), packedZeros, "word"));
        });
  }

  /** The permuted lanes of AWQ's GEMM layout. */
  private static CodecPart awq() {
    return new CodecPart(
        "awq gemm",
        "awq.words",
        Set.of("awq.codes_in_out", "awq.words"),
        file -> {
          Tensor codes = file.get("awq.codes_in_out", -1, -1);
          long columns = codes.dim(1);
          Tensor words = file.get("awq.words", codes.dim(0), Packing.words(columns, 4));
          return differs(AwqPacking.codes(words, columns, true), codes, "code")
              .or(() -> differs(AwqPacking.pack(codes, true), words, "word"));
        });
  }

  /** Pairs of E2M1 codes, the even one low. */
  private static CodecPart fp4() {
    return new CodecPart(
        "fp4 pairs",
        "fp4.bytes",
        Set.of("fp4.codes", "fp4.bytes"),
        file -> {
          Tensor codes = file.get("fp4.codes", -1, -1);
          long n = codes.dim(0);
          long k = codes.dim(1);
          Tensor bytes = file.get("fp4.bytes", n, ScaleGrid.blocks(k, 2));
          Tensor scales = Tensor.allocate(Arena.ofAuto(), DType.F32, n, 1);
          Fp4Weight weight = new Fp4Weight(bytes, k, scales, Math.toIntExact(k), 1);
          for (long i = 0; i < codes.size(); i++) {
            int got = weight.code(i / k, i % k);
            if (got != codes.getLong(i)) {
              return Optional.of("code %d is %d, not %d".formatted(i, got, codes.getLong(i)));
            }
          }
          for (long i = 0; i < bytes.size(); i++) {
            long first = i / bytes.dim(1) * k + 2 * (i % bytes.dim(1));
            int pair = Nibbles.pair((int) codes.getLong(first), (int) codes.getLong(first + 1));
            if ((pair & 0xFF) != bytes.getLong(i)) {
              return Optional.of("pair %d is 0x%02x".formatted(i, pair & 0xFF));
            }
          }
          return Optional.empty();
        });
  }

  /** F32 bits in the low half of an I64, the high half zero. */
  private static CodecPart dequantScale() {
    return new CodecPart(
        "deq_scale",
        "deq_scale.i64",
        Set.of("deq_scale.f32", "deq_scale.i64"),
        file -> {
          float[] values = file.getFloats("deq_scale.f32", -1);
          Tensor stored = file.get("deq_scale.i64", values.length);
          for (int i = 0; i < values.length; i++) {
            int bits = Float.floatToRawIntBits(values[i]);
            if ((int) stored.getLong(i) != bits || stored.getLong(i) != (bits & 0xFFFFFFFFL)) {
              return Optional.of("%s is not 0x%x".formatted(values[i], stored.getLong(i)));
            }
          }
          return Optional.empty();
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
