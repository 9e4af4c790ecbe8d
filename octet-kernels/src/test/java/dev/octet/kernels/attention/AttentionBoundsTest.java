package dev.octet.kernels.attention;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.GuardPages;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.StaticKvScales;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Neither attention nor writing the cache touches what lies behind its memory. */
class AttentionBoundsTest {
  private static final List<KvType> TYPES =
      List.of(KvType.BF16, KvType.INT8, KvType.INT4, KvType.FP8_E4M3);
  private static final List<AttentionKind> KINDS =
      List.of(
          AttentionKind.F32,
          AttentionKind.BF16,
          AttentionKind.INT8_BF16,
          AttentionKind.INT8,
          AttentionKind.INT8_FAST);

  /** Java checks its own bounds. */
  static Stream<String> providers() {
    return TestKernels.fast().stream().filter(name -> name.startsWith("cpu-"));
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("providers")
  void nothingIsTouchedBehindQueriesMaskCacheAndOutput(String provider) {
    assumeTrue(GuardPages.supported());
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      for (Call call : Call.ALL) {
        for (KvType type : TYPES) {
          check(kernels.attention(), call, type);
        }
      }
    }
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("providers")
  void nothingIsTouchedBehindWhatIsWritten(String provider) {
    assumeTrue(GuardPages.supported());
    float[] one = {0.02f};
    StaticKvScales scales = new StaticKvScales(one, one, one, one);
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      for (Call call : Call.ALL) {
        for (KvType type : KvType.values()) {
          checkWriting(kernels.attention(), call, type, null);
          if (type.bits() == 8) {
            checkWriting(kernels.attention(), call, type, scales);
          }
        }
      }
    }
  }

  private static void checkWriting(
      AttentionKernels kernels, Call call, KvType type, @Nullable StaticKvScales scales) {
    KvSpec spec = new KvSpec(call.kvHeads(), call.keyDim(), call.valueDim(), type, scales);
    Inputs free = call.inputs();
    try (GuardPages guard = new GuardPages();
        PagedKvLayer expected = new PagedKvLayer(spec);
        PagedKvLayer guarded = layer(kernels, spec, guard)) {
      expected.append(free.keys(), free.values());
      guarded.append(guard.copy(free.keys()), guard.copy(free.values()));
      for (int block = 0; block < expected.blocks(); block++) {
        if (guarded.block(block).mismatch(expected.block(block)) >= 0) {
          assertThat(guarded.block(block).toArray(JAVA_BYTE))
              .as("%s %s, block %d", call, type, block)
              .isEqualTo(expected.block(block).toArray(JAVA_BYTE));
        }
      }
    }
  }

  private static void check(AttentionKernels kernels, Call call, KvType type) {
    KvSpec spec = new KvSpec(call.kvHeads(), call.keyDim(), call.valueDim(), type, null);
    Inputs free = call.inputs();
    try (GuardPages guard = new GuardPages();
        PagedKvLayer expected = new PagedKvLayer(spec);
        PagedKvLayer guarded = layer(kernels, spec, guard)) {
      Inputs inputs =
          new Inputs(guard.copy(free.q()), guard.copy(free.keys()), guard.copy(free.values()));
      expected.append(free.keys(), free.values());
      guarded.append(inputs.keys(), inputs.values());
      for (AttentionKind kind : KINDS) {
        Tensor out = guard.zeros(DType.F32, call.queries(), call.heads(), call.valueDim());
        Tensor lse = guard.zeros(DType.F32, call.heads(), call.queries());
        kernels.attend(kind, guarded(call.spec(), guard), inputs.q(), guarded, out, lse);
        Inputs.Result wanted = free.attend(kernels, kind, call.spec(), expected);
        assertThat(out.toFloats()).as("%s %s %s", call, type, kind).isEqualTo(wanted.out());
        assertThat(lse.toFloats()).as("%s %s %s", call, type, kind).isEqualTo(wanted.lse());
      }
    }
  }

  private static PagedKvLayer layer(AttentionKernels kernels, KvSpec spec, GuardPages guard) {
    KvWriter writer = kernels instanceof KvWriter w ? w : null;
    return new PagedKvLayer(spec, KvFormat.of(spec), null, writer, new GuardedBlocks(guard));
  }

  static AttentionSpec guarded(AttentionSpec s, GuardPages guard) {
    Tensor mask = s.mask() == null ? null : guard.copy(s.mask());
    return new AttentionSpec(s.heads(), s.scale(), s.causal(), s.offset(), s.window(), mask);
  }
}
