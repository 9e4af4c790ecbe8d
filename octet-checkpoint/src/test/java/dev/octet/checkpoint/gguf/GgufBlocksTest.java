package dev.octet.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.Shared;
import dev.octet.checkpoint.UnsupportedCheckpointException;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RowTable;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class GgufBlocksTest {
  @TempDir Path dir;

  @Test
  void theGoldenBlocksDecodeToTheLastBit() {
    Path golden = Shared.path("conformance/codec_gguf_blocks/expected.safetensors");
    try (SafetensorsFile file = SafetensorsFile.open(golden)) {
      List<String> names = List.of("Q4_0", "Q5_0", "Q8_0", "Q4_K", "Q5_K", "Q6_K");
      for (String name : names) {
        byte[] blocks = file.tensor(name + ".blocks").segment().toArray(ValueLayout.JAVA_BYTE);
        float[] want = file.tensor(name + ".values").toFloats();
        float[] got = new float[want.length];
        GgufBlocks.decode(GgufType.valueOf(name), blocks, got);
        assertThat(got).as(name).containsExactly(want);
      }
    }
  }

  /** The loops of the format's description, element by element, for blocks without golden ones. */
  private static float[] described(GgufType type, byte[] b) {
    float[] out = new float[type.blockElements()];
    switch (type) {
      case Q4_1 -> {
        for (int j = 0; j < 16; j++) {
          out[j] = Bytes.f16(b, 0) * (b[4 + j] & 15) + Bytes.f16(b, 2);
          out[j + 16] = Bytes.f16(b, 0) * (b[4 + j] >> 4 & 15) + Bytes.f16(b, 2);
        }
      }
      case Q5_1 -> {
        int high = Bytes.u32(b, 4);
        for (int j = 0; j < 16; j++) {
          int first = b[8 + j] & 15 | (high >>> j << 4) & 16;
          int second = b[8 + j] >> 4 & 15 | high >>> j + 12 & 16;
          out[j] = Bytes.f16(b, 0) * first + Bytes.f16(b, 2);
          out[j + 16] = Bytes.f16(b, 0) * second + Bytes.f16(b, 2);
        }
      }
      case Q2_K -> q2(b, out);
      case Q3_K -> q3(b, out);
      default -> throw new IllegalArgumentException(type.name());
    }
    return out;
  }

  private static void q2(byte[] b, float[] out) {
    float d = Bytes.f16(b, 80);
    float dmin = Bytes.f16(b, 82);
    int at = 0;
    int scale = 0;
    for (int half = 0; half < 2; half++) {
      for (int shift = 0; shift < 8; shift += 2) {
        for (int sub = 0; sub < 2; sub++, scale++) {
          float dl = d * (b[scale] & 0xF);
          float ml = dmin * (b[scale] >> 4 & 0xF);
          for (int l = 0; l < 16; l++) {
            out[at++] = dl * (b[16 + 32 * half + 16 * sub + l] >> shift & 3) - ml;
          }
        }
      }
    }
  }

  private static void q3(byte[] b, float[] out) {
    int[] scales = new int[16];
    for (int i = 0; i < 4; i++) { // the 12 bytes as four columns of three
      int low = b[96 + i];
      int middle = b[100 + i];
      int high = b[104 + i];
      scales[i] = low & 15 | (high & 3) << 4;
      scales[4 + i] = middle & 15 | (high >> 2 & 3) << 4;
      scales[8 + i] = low >> 4 & 15 | (high >> 4 & 3) << 4;
      scales[12 + i] = middle >> 4 & 15 | (high >> 6 & 3) << 4;
    }
    int at = 0;
    int scale = 0;
    int mask = 1;
    for (int half = 0; half < 2; half++) {
      for (int shift = 0; shift < 8; shift += 2, mask <<= 1) {
        for (int sub = 0; sub < 2; sub++, scale++) {
          float dl = Bytes.f16(b, 108) * (scales[scale] - 32);
          for (int l = 0; l < 16; l++) {
            int q = b[32 + 32 * half + 16 * sub + l] >> shift & 3;
            out[at++] = dl * (q - ((b[16 * sub + l] & mask) == 0 ? 4 : 0));
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"Q4_1", "Q5_1", "Q2_K", "Q3_K"})
  void blocksWithoutGoldenOnesDecodeAsDescribed(GgufType type) {
    Random random = new Random(type.id());
    for (int round = 0; round < 200; round++) {
      byte[] block = Blocks.random(type, 1, random);
      float[] got = new float[type.blockElements()];
      GgufBlocks.decode(type, block, got);
      assertThat(got).containsExactly(described(type, block));
    }
  }

  @ParameterizedTest
  @EnumSource(
      names = {"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"})
  void theCanonicalFormHoldsWhatTheBlocksSay(GgufType type) throws IOException {
    Random random = new Random(type.id());
    int columns = 3 * type.blockElements();
    Path file = dir.resolve("m.gguf");
    Blocks.write(file, type, Blocks.random(type, 210, random), 70, columns);
    RowOrder order = new RowOrder(14);
    try (GgufFile gguf = GgufFile.open(file)) {
      RowTable rows = gguf.rows("a");
      QuantizedWeight same = gguf.weight("a", RowOrder.SAME);
      QuantizedWeight ordered = gguf.weight("a", order);
      float[] want = new float[columns];
      float[] got = new float[columns];
      for (int r = 0; r < 70; r++) {
        rows.dequantizeRow(r, want);
        same.dequantizeRow(r, got);
        assertThat(got).as("row %d", r).containsExactly(want);
        ordered.dequantizeRow(order.model(r), got);
        assertThat(got).as("row %d, moved", r).containsExactly(want);
      }
      assertThat(same.byteSize()).isLessThan(140L * columns);
    }
  }

  @Test
  void rowOrdersAreEachOthersInverse() {
    RowOrder order = new RowOrder(8);
    for (int row = 0; row < 24; row++) {
      assertThat(order.stored(order.model(row))).isEqualTo(row);
      assertThat(order.model(order.stored(row))).isEqualTo(row);
    }
    assertThat(order.stored(0)).isZero();
    assertThat(order.stored(4)).isEqualTo(1);
    assertThat(order.stored(9)).isEqualTo(10);
  }

  @ParameterizedTest
  @EnumSource(names = {"Q8_K", "Q8_1", "IQ4_NL", "IQ2_XXS", "IQ1_M", "TQ1_0", "F64"})
  void typesThatAreNotReadAreRefusedByName(GgufType type) throws IOException {
    Path file = dir.resolve("m.gguf");
    byte[] zeros = new byte[type.blockBytes() * 2];
    Blocks.write(file, type, zeros, 1, 2L * type.blockElements());
    try (GgufFile gguf = GgufFile.open(file)) {
      assertThatThrownBy(() -> gguf.weight("a", RowOrder.SAME))
          .isInstanceOf(UnsupportedCheckpointException.class)
          .hasMessageContaining("m.gguf")
          .hasMessageContaining(type.name());
    }
  }

  @Test
  void aScaleThatIsNoNumberIsRefusedWithItsTensor() throws IOException {
    byte[] blocks = Blocks.random(GgufType.Q4_0, 4, new Random(1));
    Bytes.putF16(blocks, 2 * 18, Float.NaN);
    Path file = dir.resolve("m.gguf");
    Blocks.write(file, GgufType.Q4_0, blocks, 2, 64);
    try (GgufFile gguf = GgufFile.open(file)) {
      assertThatThrownBy(() -> gguf.weight("a", RowOrder.SAME))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("'a' is damaged: scale 2 is NaN");
    }
  }

  @Test
  void onlyPositiveScalesMakeAPlainWeight() throws IOException {
    byte[] blocks = Blocks.random(GgufType.Q8_0, 2, new Random(1));
    for (float last : new float[] {0.25f, -0.25f}) {
      Bytes.putF16(blocks, 0, 0.5f);
      Bytes.putF16(blocks, 34, last);
      Path file = dir.resolve("m.gguf");
      Blocks.write(file, GgufType.Q8_0, blocks, 2, 32);
      try (GgufFile gguf = GgufFile.open(file)) {
        QuantizedWeight weight = gguf.weight("a", RowOrder.SAME);
        assertThat(((Int8Weight) weight).grid().plain()).isEqualTo(last > 0);
      }
    }
  }

  @Test
  void sizesThatDoNotFitAreRefused() {
    assertThatThrownBy(() -> GgufBlocks.decode(GgufType.Q8_0, new byte[35], new float[32]))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> GgufBlocks.decode(GgufType.F16, new byte[2], new float[1]))
        .hasMessageContaining("F16");
    assertThat(Arrays.stream(GgufType.values()).filter(GgufBlocks::readable)).hasSize(10);
  }
}
