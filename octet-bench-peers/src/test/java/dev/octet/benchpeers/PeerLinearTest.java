package dev.octet.benchpeers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.bench.peer.LinearTask;
import dev.octet.bench.peer.Peer;
import dev.octet.bench.peer.PeerProgram;
import dev.octet.bench.peer.PeerSession;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every peer's products against plain loops. */
class PeerLinearTest {
  private static final List<Peer> PEERS = List.of(new Libtorch(), new OneDnn(), new OnnxRuntime());

  @ParameterizedTest
  @CsvSource({"1,24,64", "7,33,70", "64,48,96", "17,1,5"})
  void everyProgramMultipliesWithinTheErrorOfItsType(int m, int n, int k) {
    try (Arena arena = Arena.ofShared()) {
      LinearTask task = new LinearTask(random(arena, 1, m, k), bf16(arena, n, k));
      for (Peer peer : PEERS) {
        try (PeerSession session = peer.open(2)) {
          assertThat(session.version()).matches("\\d+\\.\\d+.*");
          assertThat(session.isa()).isNotBlank();
          List<PeerProgram> programs = session.linear(task);
          assertThat(programs).isNotEmpty();
          programs.forEach(p -> hold(peer, p, task));
        }
      }
    }
  }

  private static void hold(Peer peer, PeerProgram program, LinearTask task) {
    try (program) {
      Tensor out = Tensor.ofFloats(new float[task.m() * task.n()], task.m(), task.n());
      // Twice: with few rows another copy of the weight has its turn.
      for (int turn = 0; turn < 2; turn++) {
        program.run();
        program.result(out);
        assertThat(error(task, out))
            .as(peer.name() + " " + program.variant())
            .isLessThan(program.precision().limit());
      }
      assertThat(program.bytes()).isPositive();
    }
  }

  private static double error(LinearTask task, Tensor out) {
    double error = 0;
    double total = 0;
    for (int i = 0; i < task.m(); i++) {
      for (int j = 0; j < task.n(); j++) {
        double sum = 0;
        for (int l = 0; l < task.k(); l++) {
          sum +=
              task.x().getFloat((long) i * task.k() + l)
                  * (double) task.weight().getFloat((long) j * task.k() + l);
        }
        error += Math.abs(out.getFloat((long) i * task.n() + j) - sum);
        total += Math.abs(sum);
      }
    }
    return error / total;
  }

  private static Tensor random(Arena arena, int seed, int rows, int columns) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] x = new float[rows * columns];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian();
    }
    return Tensor.ofFloats(arena, x, rows, columns);
  }

  private static Tensor bf16(Arena arena, int n, int k) {
    return random(arena, 2, n, k).to(DType.BF16, arena);
  }
}
