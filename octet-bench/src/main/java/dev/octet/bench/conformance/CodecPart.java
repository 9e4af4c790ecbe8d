package dev.octet.bench.conformance;

import dev.octet.tensor.Codecs;
import dev.octet.tensor.DType;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * One codec and the tensors of a codec case that put it to the test.
 *
 * @param name as reported
 * @param result the tensor without which there is nothing to test
 * @param tensors all that it covers
 * @param check what is wrong, if something is
 */
record CodecPart(
    String name,
    String result,
    Set<String> tensors,
    Function<ExpectedFile, Optional<String>> check) {

  /** A float as the code of a narrow type. */
  private interface Encoder {
    int encode(float x);
  }

  /** A code of a narrow type as the float it stands for. */
  private interface Decoder {
    float decode(int code);
  }

  /** Every codec in this build. */
  static List<CodecPart> all() {
    return Stream.of(scalars(), PackingPart.all(), GgufPart.all()).flatMap(List::stream).toList();
  }

  private static List<CodecPart> scalars() {
    return List.of(
        encode("bf16", c -> Codecs.floatToBf16(c) & 0xFFFF, c -> Codecs.bf16ToFloat((short) c)),
        encode("f16", c -> Float.floatToFloat16(c) & 0xFFFF, c -> Float.float16ToFloat((short) c)),
        encode("e4m3", c -> Codecs.floatToE4m3(c) & 0xFF, c -> Codecs.e4m3ToFloat((byte) c)),
        encode("e5m2", c -> Codecs.floatToE5m2(c) & 0xFF, c -> Codecs.e5m2ToFloat((byte) c)),
        encode("e2m1", Codecs::floatToE2m1, Codecs::e2m1ToFloat),
        decode("e2m1", 16, Codecs::e2m1ToFloat),
        decode("e8m0", Codecs::e8m0ToFloat),
        decode("e4m3", c -> Codecs.e4m3ToFloat((byte) c)),
        decode("e5m2", c -> Codecs.e5m2ToFloat((byte) c)),
        int8());
  }

  /** Codes of {@code x}; every code, decoded and encoded again, must also come back. */
  private static CodecPart encode(String type, Encoder encoder, Decoder decoder) {
    String result = "encode." + type;
    return new CodecPart(
        "encode " + type,
        result,
        Set.of("x", result),
        file -> {
          float[] x = file.getFloats("x", -1);
          int[] codes = file.getInts(result, x.length);
          for (int i = 0; i < x.length; i++) {
            int got = encoder.encode(x[i]);
            if (got != codes[i]) {
              return Optional.of("%s is 0x%x, not 0x%x".formatted(x[i], got, codes[i]));
            }
            if (encoder.encode(decoder.decode(codes[i])) != codes[i]) {
              return Optional.of("code 0x%x does not come back".formatted(codes[i]));
            }
          }
          return Optional.empty();
        });
  }

  /** Values of all 256 codes. */
  private static CodecPart decode(String type, Decoder decoder) {
    return decode(type, 256, decoder);
  }

  /** Values of the first codes. */
  private static CodecPart decode(String type, int count, Decoder decoder) {
    String result = "decode." + type;
    return new CodecPart(
        "decode " + type,
        result,
        Set.of("code", result),
        file -> {
          int[] codes = file.getInts("code", -1);
          if (codes.length < count) {
            return Optional.of("only %d codes are given".formatted(codes.length));
          }
          float[] values = file.getFloats(result, count);
          for (int i = 0; i < count; i++) {
            float got = decoder.decode(codes[i]);
            // floatToIntBits: any NaN will do, but −0 is not 0
            if (Float.floatToIntBits(got) != Float.floatToIntBits(values[i])) {
              return Optional.of("code 0x%x is %s, not %s".formatted(codes[i], got, values[i]));
            }
          }
          return Optional.empty();
        });
  }

  private static CodecPart int8() {
    return new CodecPart(
        "int8 rounding",
        "int8.y",
        Set.of("y", "int8.y"),
        file -> {
          float[] y = file.getFloats("y", -1);
          int[] codes = file.getInts("int8.y", y.length);
          for (int i = 0; i < y.length; i++) {
            int got = Codecs.roundClamp(y[i], -128, 127);
            if (got != codes[i]) {
              return Optional.of("%s is %d, not %d".formatted(y[i], got, codes[i]));
            }
          }
          return file.find("int8.y", DType.I8) == null
              ? Optional.of("int8.y is not stored as I8")
              : Optional.empty();
        });
  }
}
