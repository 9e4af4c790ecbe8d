package dev.octet.benchpeers;

import dev.octet.bench.peer.LinearTask;
import dev.octet.bench.peer.PeerProgram;
import dev.octet.bench.peer.Precision;
import dev.octet.tensor.DType;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.RoundToNearest;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.bytedeco.dnnl.IntMemoryMap;
import org.bytedeco.dnnl.engine;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.dnnl.matmul;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.primitive_attr;
import org.bytedeco.dnnl.reorder;
import org.bytedeco.dnnl.stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;

/**
 * A matmul primitive made for the very shape. The weight lies in the layout that the primitive asks
 * for; what that costs is not timed.
 *
 * <p>INT8: codes and scales of the weight are those of our own layers (a scale a channel). x comes
 * quantized, with one scale for all rows, which every version and instruction set has a fast kernel
 * for; ours quantize x with a scale a row inside their time.
 */
final class OneDnnLinear implements PeerProgram {
  private final Precision precision;
  private final stream queue;
  private final LinearTask task;
  private final engine cpu;
  private final long bytes;
  private final List<Pointer> owned = new ArrayList<>();
  private final matmul product;
  private final memory out;
  private final List<IntMemoryMap> arguments = new ArrayList<>();
  private int turn;

  OneDnnLinear(engine cpu, stream queue, LinearTask task, Precision precision) {
    this.precision = precision;
    this.queue = queue;
    this.cpu = cpu;
    this.task = task;
    try (PointerScope _ = new PointerScope();
        Arena arena = Arena.ofShared()) {
      memory.data_type type = type(precision);
      memory.data_type outType =
          precision == Precision.BF16 ? memory.data_type.bf16 : memory.data_type.f32;
      matmul.primitive_desc pd =
          new matmul.primitive_desc(
              cpu,
              desc(type, memory.format_tag.ab, task.m(), task.k()),
              desc(type, memory.format_tag.any, task.k(), task.n()),
              desc(outType, memory.format_tag.ab, task.m(), task.n()),
              attributes(precision),
              false);
      product = own(new matmul(pd));
      out = own(new memory(pd.dst_desc(), cpu));
      bytes = pd.weights_desc().get_size();
      bind(pd, arena);
    }
  }

  private static memory.data_type type(Precision precision) {
    return switch (precision) {
      case INT8 -> memory.data_type.s8;
      case BF16 -> memory.data_type.bf16;
      case F32 -> memory.data_type.f32;
      case INT4 -> throw new IllegalArgumentException("oneDNN in " + precision);
    };
  }

  private static memory.desc desc(
      memory.data_type type, memory.format_tag layout, long rows, long columns) {
    return new memory.desc(new long[] {rows, columns}, type, layout);
  }

  private static primitive_attr attributes(Precision precision) {
    primitive_attr attributes = new primitive_attr();
    if (precision == Precision.INT8) {
      attributes.set_scales_mask(dnnl.DNNL_ARG_SRC, 0);
      attributes.set_scales_mask(dnnl.DNNL_ARG_WEIGHTS, 1 << 1);
    }
    return attributes;
  }

  /** Converts the inputs and packs the weight, as often as copies take turns. */
  private void bind(matmul.primitive_desc pd, Arena arena) {
    Tensor x = task.x();
    Tensor weight = task.weight();
    memory xScale = null;
    memory weightScale = null;
    if (precision == Precision.INT8) {
      Int8Weight int8 = (Int8Weight) RoundToNearest.quantize(weight, QuantScheme.W8A8, arena);
      weight = int8.codes();
      weightScale = own(vector(int8.grid().scales()));
      float scale = largest(x) / 127;
      x = codes(x, scale, arena);
      xScale = own(vector(Tensor.ofFloats(arena, new float[] {scale}, 1)));
    }
    memory source = own(new memory(pd.src_desc(), cpu));
    convert(x, memory.format_tag.ab, task.m(), task.k(), source);
    for (int i = 0; i < task.copies(bytes); i++) {
      memory packed = own(new memory(pd.weights_desc(), cpu));
      convert(weight, memory.format_tag.ba, task.k(), task.n(), packed);
      IntMemoryMap map = own(new IntMemoryMap());
      map.put(dnnl.DNNL_ARG_SRC, source);
      map.put(dnnl.DNNL_ARG_WEIGHTS, packed);
      map.put(dnnl.DNNL_ARG_DST, out);
      if (xScale != null && weightScale != null) {
        map.put(dnnl.DNNL_ARG_ATTR_SCALES | dnnl.DNNL_ARG_SRC, xScale);
        map.put(dnnl.DNNL_ARG_ATTR_SCALES | dnnl.DNNL_ARG_WEIGHTS, weightScale);
      }
      arguments.add(map);
    }
  }

  private static float largest(Tensor x) {
    float most = 0;
    for (long i = 0; i < x.size(); i++) {
      most = Math.max(most, Math.abs(x.getFloat(i)));
    }
    return most;
  }

  private static Tensor codes(Tensor x, float scale, Arena arena) {
    Tensor codes = Tensor.allocate(arena, DType.I8, x.shape());
    for (long i = 0; i < x.size(); i++) {
      codes.setFloat(i, (float) Math.rint(x.getFloat(i) / scale));
    }
    return codes;
  }

  private memory vector(Tensor f32) {
    memory to =
        new memory(
            new memory.desc(new long[] {f32.size()}, memory.data_type.f32, memory.format_tag.a),
            cpu);
    Pointer data = to.get_data_handle();
    Pointer.memcpy(data, Memory.pointer(f32), f32.byteSize());
    return to;
  }

  /** Lets oneDNN copy from plain memory into what {@code to} is laid out as. */
  private void convert(Tensor from, memory.format_tag layout, long rows, long columns, memory to) {
    memory.data_type type =
        switch (from.dtype()) {
          case I8 -> memory.data_type.s8;
          case BF16 -> memory.data_type.bf16;
          case F32 -> memory.data_type.f32;
          default -> throw new IllegalArgumentException(from.toString());
        };
    memory plain = new memory(desc(type, layout, rows, columns), cpu, Memory.pointer(from));
    new reorder(plain, to).execute(queue, plain, to);
    queue._wait();
  }

  private <P extends Pointer> P own(P pointer) {
    pointer.retainReference();
    owned.add(pointer);
    return pointer;
  }

  @Override
  public String variant() {
    return precision.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public Precision precision() {
    return precision;
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public void run() {
    product.execute(queue, arguments.get(turn++ % arguments.size()));
    queue._wait();
  }

  @Override
  public void result(Tensor to) {
    try (PointerScope _ = new PointerScope()) {
      memory plain =
          new memory(
              desc(memory.data_type.f32, memory.format_tag.ab, task.m(), task.n()),
              cpu,
              Memory.pointer(to));
      new reorder(out, plain).execute(queue, out, plain);
      queue._wait();
    }
  }

  @Override
  public void close() {
    owned.reversed().forEach(Pointer::close);
    owned.clear();
  }
}
