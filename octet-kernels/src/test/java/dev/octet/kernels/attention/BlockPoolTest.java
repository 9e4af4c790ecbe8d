package dev.octet.kernels.attention;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class BlockPoolTest {
  private static final long SMALL = 1 << 18;
  private static final long LARGE = 5L << 20;

  private final BlockPool pool = new BlockPool((bytes, arena) -> arena.allocate(bytes, 64));

  @Test
  void aBlockIsZerosHoweverItWasLeft() {
    MemorySegment first = pool.take(SMALL);
    first.fill((byte) 7);
    pool.give(first);
    MemorySegment again = pool.take(SMALL);
    assertThat(again.address()).isEqualTo(first.address());
    assertThat(again.mismatch(MemorySegment.ofArray(new byte[(int) SMALL]))).isEqualTo(-1);
  }

  @Test
  void oneEmptyChunkOfASizeIsKeptAndOthersAreFreed() {
    List<MemorySegment> blocks = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      blocks.add(pool.take(SMALL));
    }
    blocks.add(pool.take(LARGE));
    assertThat(pool.byteSize()).isEqualTo(3 * (4L << 20) + LARGE);
    blocks.forEach(pool::give);
    assertThat(pool.byteSize()).isEqualTo((4L << 20) + LARGE);
    pool.close();
    assertThat(pool.byteSize()).isZero();
  }

  @Test
  void blocksOfOddSizesAreAligned() {
    for (int i = 0; i < 5; i++) {
      assertThat(pool.take(1000).address() % 64).isZero();
    }
  }

  @Test
  void blocksOutliveTheEndOfThePool() {
    MemorySegment block = pool.take(SMALL);
    pool.close();
    block.set(JAVA_BYTE, SMALL - 1, (byte) 1);
    pool.give(block);
    assertThat(pool.byteSize()).isZero();
    assertThat(block.scope().isAlive()).isFalse();
  }

  @Test
  void whatWasNotTakenIsRefused() {
    MemorySegment block = pool.take(SMALL);
    assertThatIllegalArgumentException().isThrownBy(() -> pool.give(block.asSlice(64)));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> pool.give(MemorySegment.ofAddress(block.address() + SMALL)));
    pool.give(block);
    assertThatIllegalArgumentException().isThrownBy(() -> pool.give(block));
  }

  /** Numbers take a block of one of three sizes or give one of those taken back. */
  @Property(tries = 60)
  void blocksNeverOverlap(
      @ForAll @Size(max = 80) List<@IntRange(min = 0, max = 999) Integer> steps) {
    try (BlockPool own = new BlockPool((bytes, arena) -> arena.allocate(bytes, 64))) {
      List<MemorySegment> taken = new ArrayList<>();
      for (int step : steps) {
        if (step % 3 == 0 && !taken.isEmpty()) {
          own.give(taken.remove(step % taken.size()));
        } else {
          MemorySegment block = own.take(64L << 10 + step % 3 * 3);
          for (MemorySegment other : taken) {
            assertThat(block.asOverlappingSlice(other)).isEmpty();
          }
          taken.add(block);
        }
      }
      taken.forEach(own::give);
    }
  }
}
