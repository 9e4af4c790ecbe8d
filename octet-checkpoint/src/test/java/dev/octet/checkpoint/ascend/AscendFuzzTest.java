package dev.octet.checkpoint.ascend;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.Mutations;
import dev.octet.tensor.DType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Damaged checkpoints are refused as such, at once, and without allocating what a damaged number
 * says, which would be an OutOfMemoryError. Runs for {@code octet.fuzz.seconds}.
 */
class AscendFuzzTest {
  private static final long SECONDS = Long.getLong("octet.fuzz.seconds", 2);
  private static final long MOST_NANOS = 5_000_000_000L;
  private static final List<String> TAGS =
      List.of("W8A8", "W8A8_DYNAMIC", "W8A8_MIX", "W8A16", "W4A16", "W4A8_DYNAMIC", "FLOAT");

  @TempDir Path dir;

  @Test
  void damageIsACheckpointException() throws IOException {
    long end = System.nanoTime() + SECONDS * 1_000_000_000L;
    int refused = 0;
    int opened = 0;
    for (long seed = 0; System.nanoTime() < end || seed < 50; seed++) {
      Random random = new Random(seed);
      Path file = damaged(folder(random), random);
      byte[] bytes = Files.readAllBytes(file);
      long start = System.nanoTime();
      try {
        readAll();
        opened++;
      } catch (CheckpointException e) {
        refused++;
        assertThat(e.getMessage()).as("seed %d", seed).doesNotContain("\n").hasSizeLessThan(2000);
      } catch (RuntimeException | Error e) {
        throw new AssertionError("seed %d, %s of %d bytes".formatted(seed, file, bytes.length), e);
      }
      assertThat(System.nanoTime() - start).as("time, seed %d", seed).isLessThan(MOST_NANOS);
    }
    assertThat(refused).isPositive();
    assertThat(opened).isPositive(); // damage to a code or a float is no damage to the format
  }

  private static AscendFolder folder(Random random) {
    AscendFolder folder =
        new AscendFolder(
            random.nextLong(), _ -> TAGS.get(random.nextInt(TAGS.size())), 0, random.nextBoolean());
    String attention = AscendFolder.LAYER + "self_attn.";
    if (random.nextBoolean()) {
      folder.scales(attention + "fa_q.scale", "FAQuant", AscendFolder.HEADS, 1);
      folder.scales(attention + "fa_k.scale", "FAQuant", AscendFolder.KV_HEADS, 6);
      folder.scales(attention + "fa_v.scale", "FAQuant", AscendFolder.KV_HEADS, 1);
      folder.tags.put(attention + "quant_type", "INT8");
    } else {
      folder.scales(attention + "k_proj.kv_cache_scale", "C8", AscendFolder.DIM);
      folder.scales(attention + "v_proj.kv_cache_scale", "C8", AscendFolder.DIM);
    }
    if (random.nextBoolean()) {
      turn(folder, attention);
    }
    return folder;
  }

  /** Lets something happen to inputs while the model runs. */
  private static void turn(AscendFolder folder, String attention) {
    folder.put(attention + "q_proj.left_trans", "FLOAT", folder.floats(DType.BF16, 1, 3, 3));
    folder.put(attention + "q_proj.right_trans", "FLOAT", folder.floats(DType.F32, 1, 6, 6));
    folder.scales(attention + "q_proj.clip_ratio", "FLOAT", 1);
    folder.put(attention + "o_proj.heads_rotation", "FLOAT", folder.floats(DType.F32, 1, 3, 3));
    String up = AscendFolder.LAYER + "mlp.up_proj.svd_lowrank_l";
    folder.put(up + "1", "FLOAT", folder.floats(DType.F32, 1, 2, AscendFolder.HIDDEN));
    folder.put(up + "2", "FLOAT", folder.floats(DType.BF16, 1, AscendFolder.INTER, 2));
  }

  /** Damages the description or the weights: their header, or the numbers behind it. */
  private Path damaged(AscendFolder folder, Random random) throws IOException {
    folder.write(dir);
    boolean text = random.nextBoolean();
    Path file =
        dir.resolve(text ? "quant_model_description.json" : "quant_model_weights.safetensors");
    byte[] good = Files.readAllBytes(file);
    byte[] bad = Mutations.damage(good, random);
    if (!text && random.nextBoolean()) {
      bad = good.clone(); // numbers only, scales and offsets among them
      int data = 8 + ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getInt();
      for (int i = random.nextInt(5); i >= 0; i--) {
        bad[data + random.nextInt(bad.length - data)] = (byte) random.nextInt();
      }
    }
    Files.write(file, bad);
    return file;
  }

  private void readAll() {
    try (Checkpoint c = Checkpoints.open(dir)) {
      ModelLayout.linears(c.config(), shape -> c.linear(shape.module()));
      c.kvScales(0);
      c.queryScales(0);
    }
  }
}
