package dev.octet.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.kernels.WorkPool;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

class PanelsTest {
  /** Whatever the number of panels, an odd one of groups of two included. */
  @Property(tries = 300)
  void tasksJoinAndCoverAllPanels(
      @ForAll @IntRange(min = 1, max = 3000) int panels,
      @ForAll @IntRange(min = 1, max = 3) int each,
      @ForAll @IntRange(min = 1, max = 20) int rows,
      @ForAll @IntRange(min = 1, max = 17) int threads) {
    try (WorkPool pool = new WorkPool(threads)) {
      long bytes = panels * 16L * 2048;
      Panels tasks = Panels.of(bytes, rows, each, Math.ceilDiv(panels, each), panels, pool);
      int covered = 0;
      for (int t = 0; t < tasks.tasks(); t++) {
        assertThat(tasks.from(t)).isEqualTo(covered);
        assertThat(tasks.end(t)).isGreaterThanOrEqualTo(covered);
        covered = tasks.end(t);
      }
      assertThat(covered).isEqualTo(panels);
    }
  }
}
