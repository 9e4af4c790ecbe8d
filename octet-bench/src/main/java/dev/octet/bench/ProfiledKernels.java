package dev.octet.bench;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.Linear;
import dev.octet.kernels.LinearGroup;
import dev.octet.kernels.RotaryTable;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Kernels that count the time spent in each kind of call, the whole of it: checks in Java, waiting
 * for threads, the work. What a pass takes beyond their sum is what the model does between kernels.
 * Two looks at the clock a call, some 50 ns, come on top. For one caller at a time; closing is left
 * to who made the kernels.
 */
final class ProfiledKernels implements Kernels {
  /** Calls of one kind. */
  static final class Part {
    private long nanos;
    private long calls;

    private void add(long start) {
      nanos += System.nanoTime() - start;
      calls++;
    }

    long nanos() {
      return nanos;
    }

    long calls() {
      return calls;
    }
  }

  private final Kernels kernels;
  private final Map<String, Part> parts = new LinkedHashMap<>();
  private final Part lookUp = part("embedding");
  private final Part norm = part("norm");
  private final Part rope = part("rope");
  private final Part append = part("append to the cache");
  private final Part attend = part("attention");
  private final Part swiGlu = part("swiglu");
  private final Part add = part("add");
  private final AttentionKernels attention = new ProfiledAttention();

  ProfiledKernels(Kernels kernels) {
    this.kernels = kernels;
  }

  private Part part(String name) {
    return parts.computeIfAbsent(name, _ -> new Part());
  }

  /** All kinds of calls, in no particular order. */
  Map<String, Part> parts() {
    return parts;
  }

  void reset() {
    parts.values().forEach(p -> p.nanos = p.calls = 0);
  }

  @Override
  public String name() {
    return kernels.name();
  }

  @Override
  public String isa() {
    return kernels.isa();
  }

  @Override
  public int threads() {
    return kernels.threads();
  }

  @Override
  public Linear linear(LinearWeights weights, Arena arena) {
    Linear linear = kernels.linear(weights, arena);
    String name = "linear " + linear.outFeatures() + "x" + linear.inFeatures();
    return new ProfiledLinear(linear, part(name));
  }

  private record ProfiledLinear(Linear linear, Part part) implements Linear {
    @Override
    public long inFeatures() {
      return linear.inFeatures();
    }

    @Override
    public long outFeatures() {
      return linear.outFeatures();
    }

    @Override
    public long byteSize() {
      return linear.byteSize();
    }

    @Override
    public RowTable table() {
      return linear.table();
    }

    @Override
    public void apply(Tensor x, Tensor out) {
      long start = System.nanoTime();
      linear.apply(x, out);
      part.add(start);
    }
  }

  @Override
  public LinearGroup group(List<Linear> layers) {
    List<Linear> own = new ArrayList<>();
    String name = "linear";
    for (Linear layer : layers) {
      own.add(layer instanceof ProfiledLinear p ? p.linear() : layer);
      name += (own.size() == 1 ? " " : " + ") + layer.outFeatures();
    }
    LinearGroup group = kernels.group(own);
    return new ProfiledGroup(group, part(name + " x" + layers.getFirst().inFeatures()));
  }

  private record ProfiledGroup(LinearGroup group, Part part) implements LinearGroup {
    @Override
    public List<Linear> layers() {
      return group.layers();
    }

    @Override
    public void apply(Tensor x, Tensor... outs) {
      long start = System.nanoTime();
      group.apply(x, outs);
      part.add(start);
    }
  }

  @Override
  public void lookUp(RowTable table, int[] rows, Tensor out) {
    long start = System.nanoTime();
    kernels.lookUp(table, rows, out);
    lookUp.add(start);
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, @Nullable Tensor bias, float epsilon, Tensor out) {
    long start = System.nanoTime();
    kernels.rmsNorm(x, weight, bias, epsilon, out);
    norm.add(start);
  }

  @Override
  public void rope(Tensor x, int[] positions, RotaryTable table) {
    long start = System.nanoTime();
    kernels.rope(x, positions, table);
    rope.add(start);
  }

  @Override
  public void append(KvLayer kv, Tensor keys, Tensor values, int[] positions, RotaryTable table) {
    KvLayer layer = kv instanceof ProfiledKv p ? p.layer() : kv;
    long start = System.nanoTime();
    kernels.append(layer, keys, values, positions, table);
    append.add(start);
  }

  @Override
  public void swiGlu(Tensor gate, Tensor up, Tensor out) {
    long start = System.nanoTime();
    kernels.swiGlu(gate, up, out);
    swiGlu.add(start);
  }

  @Override
  public void add(Tensor x, Tensor y) {
    long start = System.nanoTime();
    kernels.add(x, y);
    add.add(start);
  }

  @Override
  public void softmax(Tensor x) {
    kernels.softmax(x);
  }

  @Override
  public AttentionKernels attention() {
    return attention;
  }

  @Override
  public void close() {}

  private final class ProfiledAttention implements AttentionKernels {
    @Override
    public @Nullable String detour(AttentionKind kind, KvSpec cache) {
      return kernels.attention().detour(kind, cache);
    }

    @Override
    public KvLayer newKvLayer(KvSpec spec) {
      return new ProfiledKv(kernels.attention().newKvLayer(spec), append);
    }

    @Override
    public void attend(
        AttentionKind kind,
        AttentionSpec spec,
        Tensor q,
        KvLayer kv,
        Tensor out,
        @Nullable Tensor lse) {
      KvLayer layer = kv instanceof ProfiledKv p ? p.layer() : kv;
      long start = System.nanoTime();
      kernels.attention().attend(kind, spec, q, layer, out, lse);
      attend.add(start);
    }

    @Override
    public void attend(
        AttentionKind kind,
        AttentionSpec spec,
        Tensor q,
        Tensor keys,
        Tensor values,
        Tensor out,
        @Nullable Tensor lse) {
      kernels.attention().attend(kind, spec, q, keys, values, out, lse);
    }
  }

  private record ProfiledKv(KvLayer layer, Part part) implements KvLayer {
    @Override
    public KvSpec spec() {
      return layer.spec();
    }

    @Override
    public int length() {
      return layer.length();
    }

    @Override
    public void append(Tensor keys, Tensor values) {
      long start = System.nanoTime();
      layer.append(keys, values);
      part.add(start);
    }

    @Override
    public void truncate(int length) {
      layer.truncate(length);
    }

    @Override
    public long byteSize() {
      return layer.byteSize();
    }

    @Override
    public void close() {
      layer.close();
    }
  }
}
