package dev.octet.kernels.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.WorkPool;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Tensors in Java arrays, and in memory that was given back. */
class AttentionMemoryTest {
  private static final WorkPool POOL = new WorkPool(2);
  private static final int TOKENS = 70;
  private static final Inputs INPUTS = Inputs.normal(5, 3, 2, TOKENS, 1, 32, 32);

  @AfterAll
  static void close() {
    POOL.close();
  }

  static Stream<Arguments> kinds() {
    return TestProviders.ALL.stream()
        .flatMap(
            name ->
                Stream.of(AttentionKind.F32, AttentionKind.INT8)
                    .map(kind -> Arguments.of(name, kind)));
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void javaArraysServeAsWellAsNativeMemory(String provider, AttentionKind kind) {
    byte[] seen = new byte[3 * TOKENS];
    Arrays.fill(seen, (byte) 1);
    seen[0] = 0;
    seen[TOKENS + 7] = 0;
    Tensor inArray = Tensor.of(DType.U8, MemorySegment.ofArray(seen), 3, TOKENS);
    MemorySegment copy = Arena.ofAuto().allocate(seen.length).copyFrom(inArray.segment());
    Tensor outside = Tensor.of(DType.U8, copy, 3, TOKENS);

    Tensor q = INPUTS.q();
    float[] values = new float[3 * 2 * 32];
    q.copyRange(0, values);
    Tensor heapQ = Tensor.of(DType.F32, MemorySegment.ofArray(values), 3, 2, 32);
    float[] expected = attend(provider, kind, q, native3(Arena.ofAuto()), outside);
    float[] heap = new float[3 * 2 * 32];
    Tensor heapOut = Tensor.of(DType.F32, MemorySegment.ofArray(heap), 3, 2, 32);

    assertClose(attend(provider, kind, q, native3(Arena.ofAuto()), inArray), expected);
    assertClose(attend(provider, kind, heapQ, native3(Arena.ofAuto()), outside), expected);
    assertClose(attend(provider, kind, q, heapOut, outside), expected);
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void memoryThatWasGivenBackIsRefused(String provider, AttentionKind kind) {
    Arena arena = Arena.ofShared();
    Tensor out = native3(arena);
    arena.close();
    assertThatThrownBy(() -> attend(provider, kind, INPUTS.q(), out, null))
        .isInstanceOf(IllegalStateException.class);
  }

  private static Tensor native3(Arena arena) {
    return Tensor.allocate(arena, DType.F32, 3, 2, 32);
  }

  private static float[] attend(
      String provider, AttentionKind kind, Tensor q, Tensor out, @Nullable Tensor mask) {
    AttentionKernels kernels = TestProviders.attention(provider, POOL);
    try (KvLayer kv = kernels.newKvLayer(new KvSpec(1, 32, 32, KvType.INT8, null))) {
      INPUTS.appendTo(kv, TOKENS);
      AttentionSpec spec = new AttentionSpec(2, 0.2f, true, TOKENS - 3, 0, mask);
      kernels.attend(kind, spec, q, kv, out, null);
    }
    float[] result = new float[3 * 2 * 32];
    out.copyRange(0, result);
    return result;
  }

  /** Another provider may have served: not the same bits. */
  private static void assertClose(float[] got, float[] expected) {
    for (int i = 0; i < got.length; i++) {
      assertThat(Math.abs(got[i] - expected[i])).as("at %d", i).isLessThan(0.02f);
    }
  }
}
