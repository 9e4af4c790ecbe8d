package dev.octet.benchpeers;

import ai.onnxruntime.OrtEnvironment;
import dev.octet.bench.peer.LinearTask;
import dev.octet.bench.peer.PeerProgram;
import dev.octet.bench.peer.Precision;
import dev.octet.tensor.DType;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RoundToNearest;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * {@code MatMulNBits} of 4 or 8 bits with accuracy level 4: x is quantized to INT8 block by block
 * and products are integer, its fastest way. Codes and scales are those of our {@code w4a16} and
 * {@code w8a8} layers; weights are constants, so that it packs them once.
 */
final class OnnxLinear implements PeerProgram {
  private static final int BLOCK = 128;
  private static final long INT8_ARITHMETIC = 4;

  private final Precision precision;
  private final Arena arena = Arena.ofShared();
  private final long bytes;
  private final Tensor out;
  private final List<OnnxNode> nodes = new ArrayList<>();
  private int turn;

  OnnxLinear(OrtEnvironment runtime, LinearTask task, Precision precision) {
    this.precision = precision;
    try {
      QuantizedWeight weight = RoundToNearest.quantize(task.weight(), scheme(), arena);
      Tensor codes = codes(task, weight);
      Tensor scales = scales(task, weight);
      bytes = codes.byteSize() + scales.byteSize();
      Tensor x = Tensor.allocate(arena, DType.F32, task.m(), task.k());
      x.segment().copyFrom(task.x().segment());
      out = Tensor.allocate(arena, DType.F32, task.m(), task.n());
      OnnxModel model = model(task, codes, scales);
      for (int i = 0; i < task.copies(bytes); i++) {
        nodes.add(new OnnxNode(runtime, model).input("x", x).output("y", out));
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private OnnxModel model(LinearTask task, Tensor codes, Tensor scales) {
    return new OnnxModel(
            "MatMulNBits",
            List.of("x", "codes", "scales"),
            List.of("y"),
            Map.of(
                "K",
                (long) task.k(),
                "N",
                (long) task.n(),
                "bits",
                precision == Precision.INT4 ? 4L : 8L,
                "block_size",
                (long) BLOCK,
                "accuracy_level",
                INT8_ARITHMETIC))
        .input("x", DType.F32, task.m(), task.k())
        .constant("codes", codes)
        .constant("scales", scales)
        .output("y", DType.F32, task.m(), task.n());
  }

  /** U8 [n, blocks, bytes of a block]: codes without a sign, zero in the middle. */
  private Tensor codes(LinearTask task, QuantizedWeight weight) {
    int bits = precision == Precision.INT4 ? 4 : 8;
    long blocks = ScaleGrid.blocks(task.k(), BLOCK);
    long blockBytes = (long) BLOCK * bits / 8;
    Tensor codes = Tensor.allocate(arena, DType.U8, task.n(), blocks, blockBytes);
    Tensor stored =
        switch (weight) {
          case Int4Weight w -> w.packed();
          case Int8Weight w -> w.codes();
          default -> throw new IllegalStateException(weight.label());
        };
    byte middle = (byte) (bits == 4 ? 0x88 : 0x80);
    codes.segment().fill(middle);
    for (long row = 0; row < task.n(); row++) {
      MemorySegment from = stored.row(row).segment();
      long at = row * blocks * blockBytes;
      for (long i = 0; i < from.byteSize(); i++) {
        byte code = (byte) (from.get(ValueLayout.JAVA_BYTE, i) ^ middle);
        codes.segment().set(ValueLayout.JAVA_BYTE, at + i, code);
      }
    }
    return codes;
  }

  private QuantScheme scheme() {
    return precision == Precision.INT4 ? QuantScheme.W4A16 : QuantScheme.W8A8;
  }

  /** F32 [n, blocks]; a channel's one scale stands with all of its blocks. */
  private Tensor scales(LinearTask task, QuantizedWeight weight) {
    ScaleGrid grid =
        switch (weight) {
          case Int4Weight w -> w.grid();
          case Int8Weight w -> w.grid();
          default -> throw new IllegalStateException(weight.label());
        };
    long blocks = ScaleGrid.blocks(task.k(), BLOCK);
    Tensor scales = Tensor.allocate(arena, DType.F32, task.n(), blocks);
    for (long row = 0; row < task.n(); row++) {
      for (long block = 0; block < blocks; block++) {
        scales.setFloat(row * blocks + block, grid.scale(row, block * BLOCK));
      }
    }
    return scales;
  }

  @Override
  public String variant() {
    return precision == Precision.INT4 ? "w4a8" : "w8a8";
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
    nodes.get(turn++ % nodes.size()).run();
  }

  @Override
  public void result(Tensor to) {
    to.segment().copyFrom(out.segment());
  }

  @Override
  public void close() {
    nodes.forEach(OnnxNode::close);
    arena.close();
  }
}
