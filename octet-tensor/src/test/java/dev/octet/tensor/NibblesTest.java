package dev.octet.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class NibblesTest {
  @Test
  void evenOneAndOddMinusTwoMakeE1() {
    byte[] packed = new byte[2];
    Nibbles.pack(new byte[] {1, -2, -8}, 3, packed);
    assertThat(packed).containsExactly(0xE1, 0x08);
    assertThat(Nibbles.low((byte) 0xE1)).isEqualTo(1);
    assertThat(Nibbles.high((byte) 0xE1)).isEqualTo(-2);
  }

  @Property(tries = 200)
  void whatIsPackedIsUnpacked(@ForAll @Size(max = 33) byte[] any) {
    byte[] codes = new byte[any.length];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = (byte) (any[i] >> 4);
    }
    byte[] packed = new byte[Nibbles.bytes(codes.length)];
    Nibbles.pack(codes, codes.length, packed);
    byte[] back = new byte[codes.length];
    Nibbles.unpack(packed, codes.length, back);
    assertThat(back).isEqualTo(codes);
  }

  @Test
  void aCodeThatIsNoInt4IsRefusedByItsIndex() {
    assertThatThrownBy(() -> Nibbles.pack(new byte[] {0, 7, 8}, 3, new byte[2]))
        .hasMessage("code 8 at 2 is no int4");
    assertThatThrownBy(() -> Nibbles.pack(new byte[] {-9, 0}, 2, new byte[1]))
        .hasMessage("code -9 at 0 is no int4");
  }

  @Test
  void publishedPairsAreReproducedAlongBothAxes() {
    ConformanceFile file = ConformanceFile.open("conformance/codec_packing/expected.safetensors");
    Tensor codes = file.tensor("int4.codes");
    Tensor along = file.tensor("int4.pairs_along_input");
    Tensor across = file.tensor("int4.pairs_along_output");
    int columns = (int) codes.columns();
    for (long r = 0; r < codes.rows(); r++) {
      byte[] row = new byte[columns];
      for (int c = 0; c < columns; c++) {
        row[c] = (byte) codes.getLong(r * columns + c);
      }
      byte[] packed = new byte[columns / 2];
      Nibbles.pack(row, columns, packed);
      for (int c = 0; c < packed.length; c++) {
        assertThat((long) packed[c]).isEqualTo(along.getLong(r * packed.length + c));
      }
      for (int c = 0; c < columns; c++) {
        byte pair = (byte) across.getLong(r / 2 * columns + c);
        assertThat(r % 2 == 0 ? Nibbles.low(pair) : Nibbles.high(pair)).isEqualTo((int) row[c]);
      }
    }
  }
}
