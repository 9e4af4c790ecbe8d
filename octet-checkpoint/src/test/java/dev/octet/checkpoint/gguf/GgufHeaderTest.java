package dev.octet.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.CheckpointException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class GgufHeaderTest {
  @TempDir private Path dir;

  /** Writes little-endian numbers and GGUF strings. */
  private static final class Bytes {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Bytes u32(int v) {
      return raw(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(v).array());
    }

    Bytes u64(long v) {
      return raw(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(v).array());
    }

    Bytes text(String s) {
      byte[] utf8 = s.getBytes(StandardCharsets.UTF_8);
      return u64(utf8.length).raw(utf8);
    }

    Bytes raw(byte... bytes) {
      out.writeBytes(bytes);
      return this;
    }

    Bytes pad(int to) {
      return raw(new byte[Math.floorMod(-out.size(), to)]);
    }

    byte[] array() {
      return out.toByteArray();
    }
  }

  private Path write(byte[] bytes) {
    try {
      return Files.write(dir.resolve("m.gguf"), bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Bytes start(int tensors, int entries) {
    return new Bytes()
        .raw("GGUF".getBytes(StandardCharsets.US_ASCII))
        .u32(3)
        .u64(tensors)
        .u64(entries);
  }

  private static byte[] valid() {
    return start(1, 3)
        .text("general.architecture")
        .u32(8)
        .text("llama")
        .text("a.count")
        .u32(4)
        .u32(-1)
        .text("tokens")
        .u32(9)
        .u32(8)
        .u64(2)
        .text("x")
        .text("yz")
        .text("blk.0.attn_q.weight")
        .u32(2)
        .u64(64)
        .u64(3)
        .u32(2)
        .u64(0)
        .pad(32)
        .raw(new byte[3 * 2 * 18])
        .array();
  }

  @Test
  void readsMetadataAndTensors() {
    GgufHeader header = GgufHeader.read(write(valid()));
    assertThat(header.version()).isEqualTo(3);
    assertThat(header.architecture()).isEqualTo("llama");
    assertThat(header.metadata().get("a.count")).isEqualTo(new GgufValue.Whole(0xFFFFFFFFL));
    assertThat(header.metadata().get("tokens")).hasToString("text[2]");
    GgufTensor tensor = header.tensors().getFirst();
    assertThat(tensor.name()).isEqualTo("blk.0.attn_q.weight");
    assertThat(tensor.shape()).containsExactly(3, 64);
    assertThat(tensor.type()).isEqualTo(GgufType.Q4_0);
    assertThat(tensor.byteSize()).isEqualTo(108);
    assertThat(tensor.offset() % 32).isZero();
  }

  @Test
  void aFileCutAnywhereIsRefusedByName() {
    byte[] valid = valid();
    for (int length = 0; length < valid.length; length++) {
      Path file = write(Arrays.copyOf(valid, length));
      assertThatThrownBy(() -> GgufHeader.read(file))
          .as("cut to %d bytes", length)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("m.gguf");
    }
  }

  @Test
  void damagedBytesNeverCauseAnythingButACheckpointError() {
    Random random = new Random(7);
    for (int i = 0; i < 800; i++) {
      byte[] bytes = valid();
      for (int k = random.nextInt(3); k >= 0; k--) {
        bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
      }
      try {
        GgufHeader.read(write(bytes));
      } catch (CheckpointException e) {
        assertThat(e).hasMessageContaining("m.gguf");
      }
    }
  }

  @Test
  void tensorsThatShareBytesAreRefused() {
    Bytes bytes = start(2, 0);
    for (String name : new String[] {"a", "b"}) {
      bytes.text(name).u32(1).u64(4).u32(0).u64(0);
    }
    Path file = write(bytes.pad(32).raw(new byte[64]).array());
    assertThatThrownBy(() -> GgufHeader.read(file)).hasMessageContaining("overlap");
  }

  @Test
  void anOffsetThatWrapsAroundIsRefused() {
    Bytes bytes = start(1, 0).text("a").u32(1).u64(4).u32(0).u64(-32);
    Path file = write(bytes.pad(32).raw(new byte[64]).array());
    assertThatThrownBy(() -> GgufHeader.read(file)).hasMessageContaining("18446744073709551584");
  }
}
