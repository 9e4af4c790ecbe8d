package dev.octet.bench.peer;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * A peer that computes by the reference provider and multiplies its result by {@code factor}.
 *
 * @param open sessions and programs that are not closed yet
 */
public record FakePeer(String name, float factor, AtomicInteger open) implements Peer {
  public FakePeer(String name, float factor) {
    this(name, factor, new AtomicInteger());
  }

  @Override
  public Set<Work> works() {
    return EnumSet.allOf(Work.class);
  }

  @Override
  public PeerSession open(int threads) {
    open.incrementAndGet();
    return new Session(threads);
  }

  private final class Session implements PeerSession {
    private final Kernels kernels;

    Session(int threads) {
      kernels = Providers.create("reference", threads);
    }

    @Override
    public String version() {
      return "1.2.3";
    }

    @Override
    public String isa() {
      return "abacus";
    }

    @Override
    public List<PeerProgram> linear(LinearTask task) {
      DenseWeight weight = new DenseWeight(task.weight());
      Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, task.m(), task.n());
      return List.of(
          new Program(
              out,
              () ->
                  kernels
                      .linear(new LinearWeights(weight, null, new ActivationQuant.None()))
                      .apply(task.x(), out)));
    }

    @Override
    public List<PeerProgram> attention(AttentionTask task) {
      Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, task.q().shape());
      float scale = (float) (1 / Math.sqrt(task.d()));
      AttentionSpec spec =
          task.causal()
              ? AttentionSpec.causal(task.heads(), scale, task.keys() - task.queries())
              : AttentionSpec.full(task.heads(), scale);
      return List.of(
          new Program(
              out,
              () ->
                  kernels
                      .attention()
                      .attend(AttentionKind.F32, spec, task.q(), task.k(), task.v(), out, null)));
    }

    @Override
    public List<PeerModel> models(ModelTask task) {
      return List.of(new Model(task));
    }

    @Override
    public void close() {
      kernels.close();
      open.decrementAndGet();
    }
  }

  /** Takes its time and remembers what it was given. */
  private final class Model implements PeerModel {
    private final ModelTask task;
    private int tokens;

    Model(ModelTask task) {
      this.task = task;
      open.incrementAndGet();
    }

    @Override
    public String variant() {
      return "beads " + task.weights();
    }

    @Override
    public long bytes() {
      return 1L << 30;
    }

    @Override
    public long bytesRead() {
      return 1_000_000;
    }

    @Override
    public void reset() {
      tokens = 0;
    }

    @Override
    public void forward(int[] ids) {
      tokens += ids.length;
      if (tokens > task.context() || ids.length > task.batch()) {
        throw new PeerException("too many tokens");
      }
      LockSupport.parkNanos(2_000_000L);
    }

    @Override
    public void check() {
      if (!(factor > 0)) {
        throw new PeerException(name + ": no logits");
      }
    }

    @Override
    public void close() {
      open.decrementAndGet();
    }
  }

  private final class Program implements PeerProgram {
    private final Tensor out;
    private final Runnable compute;

    Program(Tensor out, Runnable compute) {
      this.out = out;
      this.compute = compute;
      open.incrementAndGet();
    }

    @Override
    public String variant() {
      return "beads";
    }

    @Override
    public Precision precision() {
      return Precision.BF16;
    }

    @Override
    public long bytes() {
      return 1000;
    }

    @Override
    public void run() {
      compute.run();
    }

    @Override
    public void result(Tensor to) {
      for (long i = 0; i < to.size(); i++) {
        to.setFloat(i, factor * out.getFloat(i));
      }
    }

    @Override
    public void close() {
      open.decrementAndGet();
    }
  }
}
