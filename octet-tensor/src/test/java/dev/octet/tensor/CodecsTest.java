package dev.octet.tensor;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CodecsTest {
  /** A narrow float: its codes as 0…2^bits−1, sign bit first. */
  enum Narrow {
    E4M3(8, 0x7E, true),
    E5M2(8, 0x7B, true),
    BF16(16, 0x7F7F, false),
    F16(16, 0x7BFF, false);

    final int sign;
    final int maxCode;
    final boolean saturates;

    Narrow(int bits, int maxCode, boolean saturates) {
      this.sign = 1 << bits - 1;
      this.maxCode = maxCode;
      this.saturates = saturates;
    }

    float decode(int code) {
      return switch (this) {
        case E4M3 -> Codecs.e4m3ToFloat((byte) code);
        case E5M2 -> Codecs.e5m2ToFloat((byte) code);
        case BF16 -> Codecs.bf16ToFloat((short) code);
        case F16 -> Float.float16ToFloat((short) code);
      };
    }

    int encode(float value) {
      return switch (this) {
        case E4M3 -> Codecs.floatToE4m3(value) & 0xFF;
        case E5M2 -> Codecs.floatToE5m2(value) & 0xFF;
        case BF16 -> Codecs.floatToBf16(value) & 0xFFFF;
        case F16 -> Float.floatToFloat16(value) & 0xFFFF;
      };
    }
  }

  @ParameterizedTest
  @EnumSource(Narrow.class)
  void everyCodeComesBackWhenItsValueIsEncoded(Narrow type) {
    for (int code = 0; code < 2 * type.sign; code++) {
      float value = type.decode(code);
      int back = type.encode(value);
      if (Float.isNaN(value)) {
        assertThat(type.decode(back)).as("code %x", code).isNaN();
      } else if (Float.isInfinite(value) && type.saturates) {
        assertThat(back).as("code %x", code).isEqualTo(code & type.sign | type.maxCode);
      } else {
        assertThat(back).as("code %x", code).isEqualTo(code);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Narrow.class)
  void betweenNeighboursTheNearerWinsAndTiesGoToTheEvenCode(Narrow type) {
    for (int code = 0; code < type.maxCode; code++) {
      double low = type.decode(code);
      double high = type.decode(code + 1);
      assertThat(high).isGreaterThan(low);
      double exact = (low + high) / 2;
      float middle = (float) exact;
      int even = (code & 1) == 0 ? code : code + 1;
      if (middle == exact) {
        assertThat(type.encode(middle)).as("tie above %x", code).isEqualTo(even);
        assertThat(type.encode(-middle)).as("tie below -%x", code).isEqualTo(even | type.sign);
        assertThat(type.encode(Math.nextDown(middle))).as("below tie %x", code).isEqualTo(code);
        assertThat(type.encode(Math.nextUp(middle))).as("above tie %x", code).isEqualTo(code + 1);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Narrow.class)
  void theLargestValuesSaturateOrOverflow(Narrow type) {
    float max = type.decode(type.maxCode);
    int beyond = type.saturates ? type.maxCode : type.maxCode + 1;
    for (float v : new float[] {max, Math.nextUp(max), Float.MAX_VALUE, Float.POSITIVE_INFINITY}) {
      int want = v == max || v == Math.nextUp(max) ? type.maxCode : beyond;
      assertThat(type.encode(v)).as("%s", v).isEqualTo(want);
      assertThat(type.encode(-v)).as("%s", -v).isEqualTo(want | type.sign);
    }
  }

  @ParameterizedTest
  @EnumSource(Narrow.class)
  void zeroKeepsItsSignAndNanStaysNan(Narrow type) {
    assertThat(type.encode(0f)).isZero();
    assertThat(type.encode(-0f)).isEqualTo(type.sign);
    assertThat(type.encode(Float.MIN_VALUE * 0.5f)).isZero();
    for (int bits : new int[] {0x7F800001, 0x7FC00000, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF}) {
      assertThat(type.decode(type.encode(Float.intBitsToFloat(bits)))).isNaN();
    }
  }

  @Property(tries = 2000)
  void encodingIsMonotonic(@ForAll int bitsA, @ForAll int bitsB) {
    float a = Float.intBitsToFloat(bitsA);
    float b = Float.intBitsToFloat(bitsB);
    if (a <= b) {
      for (Narrow type : Narrow.values()) {
        assertThat(type.decode(type.encode(a))).isLessThanOrEqualTo(type.decode(type.encode(b)));
      }
    }
  }

  @Test
  void publishedScalarsAreReproducedBitForBit() {
    ConformanceFile file = ConformanceFile.open("conformance/codec_scalars/expected.safetensors");
    Tensor e4m3 = file.tensor("decode.e4m3");
    Tensor e5m2 = file.tensor("decode.e5m2");
    for (int code = 0; code < 256; code++) {
      assertThat(Float.compare(Codecs.e4m3ToFloat((byte) code), e4m3.getFloat(code))).isZero();
      assertThat(Float.compare(Codecs.e5m2ToFloat((byte) code), e5m2.getFloat(code))).isZero();
    }
    Tensor x = file.tensor("x");
    for (long i = 0; i < x.size(); i++) {
      float v = x.getFloat(i);
      assertThat(Codecs.floatToE4m3(v) & 0xFFL).isEqualTo(file.tensor("encode.e4m3").getLong(i));
      assertThat(Codecs.floatToE5m2(v) & 0xFFL).isEqualTo(file.tensor("encode.e5m2").getLong(i));
      assertThat(Codecs.floatToBf16(v)).isEqualTo(shortAt(file.tensor("encode.bf16"), i));
      assertThat(Float.floatToFloat16(v)).isEqualTo(shortAt(file.tensor("encode.f16"), i));
    }
    Tensor y = file.tensor("y");
    Tensor int8 = file.tensor("int8.y");
    for (long i = 0; i < y.size(); i++) {
      assertThat(Codecs.roundClamp(y.getFloat(i), -128, 127)).isEqualTo((int) int8.getLong(i));
    }
  }

  private static short shortAt(Tensor tensor, long i) {
    return tensor.segment().get(JAVA_SHORT_UNALIGNED, 2 * i);
  }

  @Test
  void noIntegerStandsForNan() {
    assertThatThrownBy(() -> Codecs.roundClamp(Float.NaN, -128, 127))
        .isInstanceOf(ArithmeticException.class);
  }
}
