package dev.octet.kernels.attention;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.Fuzz;
import dev.octet.kernels.GuardPages;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.StaticKvScales;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Caches written and attention computed in random shapes, against the reference. */
class AttentionFuzzTest {
  private static final List<KvType> TYPES = List.of(KvType.values());

  /** What models have, beside anything else. */
  private static final int[] DIMS = {8, 16, 32, 64, 64, 80, 96, 128, 128, 192, 256};

  private record Provider(String name, Kernels kernels) {}

  @Test
  void everyKindMatchesOnShapesNobodyThoughtOf() {
    List<Provider> providers =
        TestKernels.fast().stream()
            .map(name -> new Provider(name, TestKernels.create(name, 2)))
            .toList();
    try (Kernels reference = TestKernels.create("reference", 2)) {
      Fuzz.run(
          AttentionFuzzTest.class,
          50,
          (random, fuzz) -> check(random, fuzz, reference.attention(), providers));
    } finally {
      providers.forEach(p -> p.kernels().close());
    }
  }

  private static void check(
      Random random, Fuzz fuzz, AttentionKernels reference, List<Provider> providers) {
    Call call = call(random);
    KvType type = TYPES.get(random.nextInt(TYPES.size()));
    KvSpec spec =
        new KvSpec(call.kvHeads(), call.keyDim(), call.valueDim(), type, scales(random, call));
    Inputs inputs = inputs(random, call);
    int[] chunks = random.ints(4, 1, call.n() > 400 ? 5000 : 150).toArray();
    int cut = random.nextBoolean() ? call.n() : random.nextInt(call.n());
    boolean guarded = random.nextBoolean();
    List<AttentionKind> kinds = kinds(random, call);
    String what = call + " " + type + (guarded ? " guarded" : "") + ", cut at " + cut;
    fuzz.count(type.toString());
    fuzz.count(call.queries() * call.heads() / call.kvHeads() <= 8 ? "decoding" : "prefill");
    kinds.forEach(kind -> fuzz.count(kind.label()));
    try (PagedKvLayer java = new PagedKvLayer(spec)) {
      fill(java, inputs, call.n(), cut, call.n());
      List<Inputs.Result> expected = new ArrayList<>();
      for (AttentionKind kind : kinds) {
        expected.add(inputs.attend(reference, kind, call.spec(), java));
      }
      for (Provider provider : providers) {
        AttentionKernels kernels = provider.kernels().attention();
        String where = provider.name() + ", " + what;
        try (GuardPages guard = new GuardPages();
            PagedKvLayer own = layer(kernels, spec, guarded ? guard : null)) {
          Inputs used = guarded ? guarded(inputs, guard) : inputs;
          fuzz.tries("append, " + where);
          fill(own, used, call.n(), cut, chunks);
          requireSameBlocks(where, own, java);
          for (int i = 0; i < kinds.size(); i++) {
            fuzz.tries(kinds.get(i) + ", " + where);
            Inputs.Result got =
                guarded
                    ? attendGuarded(kernels, kinds.get(i), call, used, own, guard)
                    : used.attend(kernels, kinds.get(i), call.spec(), own);
            requireClose(where, kinds.get(i), got, expected.get(i));
          }
        }
      }
    }
  }

  /** All tokens, those from {@code cut} on a second time. */
  private static void fill(PagedKvLayer layer, Inputs inputs, int n, int cut, int... chunks) {
    inputs.appendTo(layer, chunks);
    layer.truncate(cut);
    if (cut < n) {
      layer.append(Inputs.tokens(inputs.keys(), cut, n), Inputs.tokens(inputs.values(), cut, n));
    }
  }

  private static void requireSameBlocks(String what, PagedKvLayer got, PagedKvLayer expected) {
    assertThat(got.blocks()).as(what).isEqualTo(expected.blocks());
    for (int block = 0; block < expected.blocks(); block++) {
      if (got.block(block).mismatch(expected.block(block)) >= 0) {
        assertThat(got.block(block).toArray(JAVA_BYTE))
            .as("%s, block %s", what, block)
            .isEqualTo(expected.block(block).toArray(JAVA_BYTE));
      }
    }
  }

  private static void requireClose(
      String what, AttentionKind kind, Inputs.Result got, Inputs.Result expected) {
    double limit = kind == AttentionKind.F32 ? 1e-5 : 0.01;
    assertThat(Inputs.relL1(got.out(), expected.out())).as("%s %s", what, kind).isLessThan(limit);
    assertThat(Inputs.maxDiff(got.lse(), Inputs.widen(expected.lse())))
        .as("lse %s %s", what, kind)
        .isLessThan(5e-3);
  }

  private static PagedKvLayer layer(
      AttentionKernels kernels, KvSpec spec, @Nullable GuardPages guard) {
    KvWriter writer = kernels instanceof KvWriter w ? w : null;
    return guard == null
        ? PagedKvLayer.of(kernels.newKvLayer(spec))
        : new PagedKvLayer(spec, KvFormat.of(spec), null, writer, new GuardedBlocks(guard));
  }

  private static Inputs guarded(Inputs free, GuardPages guard) {
    return new Inputs(guard.copy(free.q()), guard.copy(free.keys()), guard.copy(free.values()));
  }

  private static Inputs.Result attendGuarded(
      AttentionKernels kernels,
      AttentionKind kind,
      Call call,
      Inputs inputs,
      PagedKvLayer kv,
      GuardPages guard) {
    Tensor out = guard.zeros(DType.F32, call.queries(), call.heads(), call.valueDim());
    Tensor lse = guard.zeros(DType.F32, call.heads(), call.queries());
    kernels.attend(kind, AttentionBoundsTest.guarded(call.spec(), guard), inputs.q(), kv, out, lse);
    return new Inputs.Result(out.toFloats(), lse.toFloats());
  }

  private static Call call(Random random) {
    int kvHeads = 1 + random.nextInt(3);
    int heads = kvHeads * (1 + random.nextInt(6));
    int keyDim = dim(random);
    int valueDim = random.nextBoolean() ? keyDim : dim(random);
    boolean causal = random.nextBoolean();
    int window = causal && random.nextInt(3) == 0 ? 1 + random.nextInt(100) : 0;
    int length = random.nextInt(200);
    if (length < 8) { // keys split between tasks; beyond 16384, tasks of all heads
      int n = length < 2 ? 16_384 + random.nextInt(300) : 2048 + random.nextInt(2000);
      int small = Math.min(keyDim, 64);
      return new Call(
          1 + random.nextInt(2),
          heads,
          kvHeads,
          n,
          small,
          Math.min(valueDim, 64),
          causal,
          window,
          false);
    }
    int n = 1 + random.nextInt(random.nextBoolean() ? 70 : 400);
    int queries =
        random.nextBoolean() ? 1 + random.nextInt(3) : 1 + random.nextInt(Math.min(n, 90));
    boolean masked = random.nextInt(4) == 0;
    return new Call(queries, heads, kvHeads, n, keyDim, valueDim, causal, window, masked);
  }

  private static int dim(Random random) {
    return switch (random.nextInt(4)) {
      case 0 -> 1 + random.nextInt(24);
      case 1 -> 1 + random.nextInt(150);
      default -> DIMS[random.nextInt(DIMS.length)];
    };
  }

  /** All that C computes where it does not take long; the yardsticks seldom. */
  private static List<AttentionKind> kinds(Random random, Call call) {
    List<AttentionKind> kinds = new ArrayList<>();
    for (AttentionKind kind : AttentionKind.values()) {
      boolean yardstick = kind == AttentionKind.INT_FLASH || kind == AttentionKind.INT_FLASH_HALF;
      if (random.nextInt(yardstick ? 8 : call.n() > 400 ? 2 : 1) == 0) {
        kinds.add(kind);
      }
    }
    return kinds;
  }

  /** Normal, with some tokens of zeros and some much larger or smaller than others. */
  private static Inputs inputs(Random random, Call call) {
    Inputs inputs = call.inputs();
    if (random.nextBoolean()) {
      for (Tensor rows : List.of(inputs.keys(), inputs.values())) {
        int token = (int) rows.dim(0);
        long width = rows.dim(1) * rows.dim(2);
        for (int i = 0; i < 1 + token / 16; i++) {
          float factor = random.nextInt(4) == 0 ? 0 : Math.scalb(1f, random.nextInt(9) - 6);
          long at = random.nextInt(token) * width;
          for (long j = 0; j < width; j++) {
            rows.setFloat(at + j, factor * rows.getFloat(at + j));
          }
        }
      }
    }
    return inputs;
  }

  private static @Nullable StaticKvScales scales(Random random, Call call) {
    if (random.nextInt(4) > 0) {
      return null;
    }
    float[] keys =
        new float[random.nextBoolean() ? call.kvHeads() : call.kvHeads() * call.keyDim()];
    float[] values = new float[call.kvHeads() * call.valueDim()];
    Arrays.fill(keys, 0.03f);
    Arrays.fill(values, 0.02f);
    return new StaticKvScales(keys, values);
  }
}
