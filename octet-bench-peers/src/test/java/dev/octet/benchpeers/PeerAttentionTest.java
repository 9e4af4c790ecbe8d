package dev.octet.benchpeers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.bench.peer.AttentionTask;
import dev.octet.bench.peer.Peer;
import dev.octet.bench.peer.PeerProgram;
import dev.octet.bench.peer.PeerSession;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Peers' attention against the reference provider: groups of heads, all kinds of masks. */
class PeerAttentionTest {
  @ParameterizedTest
  @CsvSource({
    "40,40,4,2,64,true", // its own causal flag
    "9,70,4,1,64,true", // the last queries of a sequence: a mask
    "1,70,6,2,128,true",
    "9,70,4,4,128,false"
  })
  void itSeesTheSameKeys(int queries, int keys, int heads, int kvHeads, int d, boolean causal) {
    try (Arena arena = Arena.ofShared();
        Kernels kernels = Providers.create("reference", 1)) {
      SplittableRandom random = new SplittableRandom(1);
      AttentionTask task =
          new AttentionTask(
              normal(arena, random, queries, heads, d),
              normal(arena, random, keys, kvHeads, d),
              normal(arena, random, keys, kvHeads, d),
              causal);
      float scale = (float) (1 / Math.sqrt(d));
      AttentionSpec spec =
          causal
              ? AttentionSpec.causal(heads, scale, keys - queries)
              : AttentionSpec.full(heads, scale);
      Tensor right = Tensor.allocate(arena, DType.F32, task.q().shape());
      kernels
          .attention()
          .attend(AttentionKind.F32, spec, task.q(), task.k(), task.v(), right, null);
      for (Peer peer : List.of(new Libtorch(), new OnnxRuntime())) {
        try (PeerSession session = peer.open(2)) {
          session.attention(task).forEach(program -> hold(peer, program, right));
        }
      }
      try (PeerSession session = new OneDnn().open(2)) {
        assertThat(session.attention(task)).as("oneDNN has no attention").isEmpty();
      }
    }
  }

  private static void hold(Peer peer, PeerProgram program, Tensor right) {
    try (program) {
      Tensor out = Tensor.ofFloats(new float[(int) right.size()], right.shape());
      for (int turn = 0; turn < 2; turn++) {
        program.run();
        program.result(out);
        assertThat(error(out, right))
            .as(peer.name() + " " + program.variant())
            .isLessThan(program.precision().limit());
      }
    }
  }

  private static double error(Tensor out, Tensor right) {
    double error = 0;
    double total = 0;
    for (long i = 0; i < right.size(); i++) {
      error += Math.abs(out.getFloat(i) - right.getFloat(i));
      total += Math.abs(right.getFloat(i));
    }
    return error / total;
  }

  private static Tensor normal(Arena arena, SplittableRandom random, int... shape) {
    float[] x = new float[shape[0] * shape[1] * shape[2]];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian();
    }
    return Tensor.ofFloats(arena, x, shape[0], shape[1], shape[2]);
  }
}
