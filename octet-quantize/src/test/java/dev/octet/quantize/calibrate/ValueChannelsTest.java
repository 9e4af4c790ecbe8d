package dev.octet.quantize.calibrate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ValueChannelsTest {
  private static final int DIM = 16;

  @TempDir private Path dir;

  /** Four query heads on two value heads of 16: columns 0–15 and 16–31 read the first. */
  @Test
  void columnsThatReadOneValueChannelShareItsFactor() throws IOException {
    try (Checkpoint model = Checkpoints.open(TinyCheckpoint.write(dir, 1))) {
      ValueChannels channels = new ValueChannels(model.config());
      float[] columns = new float[4 * DIM];
      for (int j = 0; j < columns.length; j++) {
        columns[j] = 1 + j;
      }
      float[] tied = channels.tied(columns);
      float[] values = channels.ofValues(tied);
      assertThat(values).hasSize(2 * DIM);
      for (int j = 0; j < columns.length; j++) {
        int head = j / DIM;
        int first = head / 2 * 2 * DIM + j % DIM;
        assertThat((double) tied[j])
            .isCloseTo(Math.sqrt((double) columns[first] * columns[first + DIM]), within(1e-4));
        assertThat(values[head / 2 * DIM + j % DIM]).isEqualTo(tied[j]);
      }
    }
  }
}
