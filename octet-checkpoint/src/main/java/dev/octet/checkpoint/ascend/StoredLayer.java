package dev.octet.checkpoint.ascend;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.packing.Codes;
import dev.octet.checkpoint.packing.RowPairs;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.ActivationQuant.Clipped;
import dev.octet.tensor.ActivationQuant.DynamicFp8;
import dev.octet.tensor.ActivationQuant.DynamicInt4;
import dev.octet.tensor.ActivationQuant.DynamicInt8;
import dev.octet.tensor.ActivationQuant.None;
import dev.octet.tensor.ActivationQuant.StaticInt8;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.InputMatrix.Kronecker;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.LowRank;
import dev.octet.tensor.Nibbles;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer as msModelSlim stores it, in the profile that both MindIE and vllm-ascend read:
 * the inverse of {@link AscendFormat}.
 */
public final class StoredLayer {
  private final String module;
  private final LinearWeights layer;
  private final DType modelType;
  private final SortedMap<String, Tensor> tensors = new TreeMap<>();

  private StoredLayer(String module, LinearWeights layer, DType modelType) {
    this.module = layer.inputScale() == null ? module : module + ".linear";
    this.layer = unclipped(layer);
    this.modelType = modelType;
  }

  /**
   * The tag of a layer.
   *
   * @throws CheckpointException if the format has none for it
   */
  public static String tag(String module, LinearWeights layer) {
    Tag tag = ownTag(module, unclipped(layer));
    boolean learnt = isLearnt(layer);
    boolean product = layer.lowRank() != null;
    if (learnt && product) {
      throw new CheckpointException(
          module + ": turns its input and has a product beside it, which no Ascend tool writes");
    }
    return tag.label(learnt, product && tag != Tag.FLOAT);
  }

  private static boolean isLearnt(LinearWeights layer) {
    return layer.inputMatrix() != null || layer.activation() instanceof Clipped;
  }

  /** The layer without what {@code .clip_ratio} says. */
  private static LinearWeights unclipped(LinearWeights w) {
    LinearWeights decoding = w.decoding();
    return w.activation() instanceof Clipped c
        ? new LinearWeights(
            w.weight(),
            w.bias(),
            c.inner(),
            w.inputScale(),
            decoding == null ? null : unclipped(decoding),
            w.inputMatrix(),
            w.lowRank())
        : w;
  }

  private static Tag ownTag(String module, LinearWeights layer) {
    ActivationQuant input = layer.activation();
    Tag tag =
        switch (layer.weight()) {
          case DenseWeight _ when input instanceof None -> Tag.FLOAT;
          case Int8Weight w when isRowWise(w.grid()) && w.permutation() == null ->
              int8(layer, w.grid());
          case Int4Weight w when isRowWise(w.grid()) && w.permutation() == null -> int4(layer, w);
          case Fp8Weight w when isFp8(w, input) -> Tag.WFP8AFP8_DYNAMIC;
          default -> null;
        };
    if (tag == null) {
      throw new CheckpointException(
          "%s: Ascend's format has no form for %s with inputs %s"
              .formatted(module, layer.weight().label(), input.label()));
    }
    requireStorable(module, layer.weight(), tag);
    return tag;
  }

  private static @Nullable Tag int8(LinearWeights layer, ScaleGrid grid) {
    boolean channels = grid.symmetric() && grid.scales().dim(1) == 1;
    return switch (layer.activation()) {
      case None _ -> Tag.W8A16;
      case DynamicInt8 _ when channels && layer.decoding() != null -> Tag.W8A8_MIX;
      case DynamicInt8 _ when grid.symmetric() -> Tag.W8A8_DYNAMIC;
      case StaticInt8 _ when channels -> Tag.W8A8;
      default -> null;
    };
  }

  private static @Nullable Tag int4(LinearWeights layer, Int4Weight weight) {
    boolean channels = weight.grid().symmetric() && weight.grid().scales().dim(1) == 1;
    return switch (layer.activation()) {
      case None _ -> Tag.W4A16;
      case DynamicInt8 _ when channels -> Tag.W4A8_DYNAMIC;
      case DynamicInt4(float steps) when steps == DynamicInt4.CODES && weight.grid().symmetric() ->
          Tag.W4A4_DYNAMIC;
      default -> null;
    };
  }

  private static boolean isFp8(Fp8Weight weight, ActivationQuant input) {
    return weight.codes().dtype() == DType.F8_E4M3
        && isRowWise(weight.grid())
        && weight.grid().scales().dim(1) == 1
        && input instanceof DynamicFp8(float bound)
        && bound == Float.POSITIVE_INFINITY;
  }

  /** Scales of rows or parts of rows, positive and without offsets. */
  private static boolean isRowWise(ScaleGrid grid) {
    return grid.granularity() != ScaleGranularity.BLOCK && grid.plain();
  }

  /**
   * Refuses values that the format cannot say of a layer that has a {@link #tag}.
   *
   * @throws CheckpointException naming the row and its numbers
   */
  public static void requireValues(String module, LinearWeights layer) {
    switch (layer.weight()) {
      case Int8Weight w -> Codes.requireZeros(module, w.grid(), 8, "Ascend's format");
      case Int4Weight w -> Codes.requireZeros(module, w.grid(), 4, "Ascend's format");
      default -> {}
    }
    StaticRows.of(module, unclipped(layer)).ifPresent(StaticRows::requireStorable);
  }

  /** Other readers divide sizes by the group, and halve them for four-bit codes. */
  private static void requireStorable(String module, QuantizedWeight weight, Tag tag) {
    long group = group(weight);
    if (group > 0 && weight.columns() % group != 0) {
      throw new CheckpointException(
          "%s: groups of %d do not divide %d input features; Ascend's format has whole groups"
              .formatted(module, group, weight.columns()));
    }
    boolean alongInputs = tag == Tag.W4A16 && group == 0;
    long paired = alongInputs ? weight.columns() : weight.rows();
    boolean pairs = weight instanceof Int4Weight && tag != Tag.W4A4_DYNAMIC;
    if (pairs && paired % 2 != 0) {
      throw new CheckpointException(
          "%s: %d %s features do not make pairs of four-bit codes"
              .formatted(module, paired, alongInputs ? "input" : "output"));
    }
  }

  /** Columns of a weight's groups; 0 where each row has one scale. */
  public static long group(QuantizedWeight weight) {
    ScaleGrid grid =
        switch (weight) {
          case Int8Weight w -> w.grid();
          case Int4Weight w -> w.grid();
          default -> null;
        };
    return grid == null || grid.scales().dim(1) <= 1 ? 0 : grid.columnBlock();
  }

  /** The tensors by their full names; all but biases and smoothing have the layer's tag. */
  public static SortedMap<String, Tensor> tensors(
      String module, LinearWeights layer, DType modelType) {
    StoredLayer stored = new StoredLayer(module, layer, modelType);
    Tag tag = Tag.of(tag(module, layer)).orElseThrow();
    switch (layer.weight()) {
      case DenseWeight(Tensor values) -> stored.put("weight", values);
      case Int8Weight w -> {
        stored.put("weight", w.codes());
        stored.grid(w.grid());
        StaticRows.of(module, stored.layer).ifPresent(stored::fixed);
      }
      case Int4Weight w -> stored.int4(w, tag);
      case Fp8Weight(Tensor codes, ScaleGrid grid) -> {
        stored.put("weight", codes);
        stored.grid(grid);
      }
      default -> throw new IllegalStateException(tag.label());
    }
    stored.bias();
    stored.online(layer);
    Tensor smoothing = layer.inputScale();
    if (smoothing != null) {
      stored.tensors.put(module + ".div.mul_scale", smoothing);
    }
    return stored.tensors;
  }

  private void put(String suffix, Tensor tensor) {
    tensors.put(module + "." + suffix, tensor);
  }

  /** What happens to the input while the model runs, and the product beside the layer. */
  private void online(LinearWeights whole) {
    if (whole.inputMatrix() instanceof Kronecker(Tensor left, Tensor right)) {
      putIfThere(OnlineInput.LEFT, left);
      putIfThere(OnlineInput.RIGHT, right);
    }
    if (isLearnt(whole)) {
      float ratio = whole.activation() instanceof Clipped c ? c.ratio() : 1;
      putIfThere(OnlineInput.CLIP, Tensor.ofFloats(new float[] {ratio}, 1));
    }
    LowRank product = whole.lowRank();
    if (product != null) {
      putIfThere(LowRankBranch.DOWN, product.down().values());
      putIfThere(LowRankBranch.UP, product.up().values());
    }
  }

  private void putIfThere(String suffix, @Nullable Tensor tensor) {
    if (tensor != null) {
      tensors.put(module + suffix, tensor);
    }
  }

  private void bias() {
    Tensor bias = layer.bias();
    if (bias != null) {
      boolean dense = layer.weight() instanceof DenseWeight;
      put("bias", dense && isExact(bias, modelType) ? bias.to(modelType, Arena.ofAuto()) : bias);
    }
  }

  private static boolean isExact(Tensor values, DType type) {
    Tensor narrow = values.to(type, Arena.ofAuto());
    for (long i = 0; i < values.size(); i++) {
      if (narrow.getFloat(i) != values.getFloat(i)) {
        return false;
      }
    }
    return true;
  }

  /** Scales and offsets in F32; one for all is repeated for every row. */
  private void grid(ScaleGrid grid) {
    long n = layer.weight().rows();
    long groups = grid.scales().dim(1);
    Tensor scale = Tensor.allocate(Arena.ofAuto(), DType.F32, n, groups);
    Tensor offset = Tensor.allocate(Arena.ofAuto(), DType.F32, n, groups);
    for (long r = 0; r < n; r++) {
      for (long g = 0; g < groups; g++) {
        long column = g * grid.columnBlock();
        scale.setFloat(r * groups + g, grid.scale(r, column));
        offset.setFloat(r * groups + g, grid.zeroPoint(r, column));
      }
    }
    put("weight_scale", scale);
    put("weight_offset", offset);
  }

  private void int4(Int4Weight weight, Tag tag) {
    put("weight", codes(weight, tag));
    grid(weight.grid());
    if (tag == Tag.W4A8_DYNAMIC) {
      put("scale_bias", scaleBias(weight));
    }
  }

  /** One code a byte, I8 [n, k]. */
  private static Tensor bytes(Tensor packed, int k) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I8, packed.dim(0), k);
    byte[] pairs = new byte[Nibbles.bytes(k)];
    byte[] codes = new byte[k];
    for (long r = 0; r < packed.dim(0); r++) {
      MemorySegment.copy(packed.segment(), JAVA_BYTE, r * pairs.length, pairs, 0, pairs.length);
      Nibbles.unpack(pairs, k, codes);
      MemorySegment.copy(codes, 0, out.segment(), JAVA_BYTE, r * k, k);
    }
    return out;
  }

  private static Tensor codes(Int4Weight weight, Tag tag) {
    Tensor packed = weight.packed();
    if (tag == Tag.W4A4_DYNAMIC) {
      return bytes(packed, Math.toIntExact(weight.columns()));
    }
    return tag == Tag.W4A16 && group(weight) == 0
        ? Tensor.of(DType.I8, packed.segment(), packed.shape())
        : RowPairs.pack(packed, weight.columns());
  }

  /**
   * {@code 8·Σ W}, for a kernel that takes codes for unsigned: over all columns, or over each of 16
   * parts of them where a layer's inputs are split among devices.
   */
  private Tensor scaleBias(Int4Weight weight) {
    String name = module.substring(module.lastIndexOf('.') + 1);
    boolean split = name.contains("down") || name.contains("o_proj");
    int k = Math.toIntExact(weight.columns());
    int parts = split && k % 16 == 0 ? 16 : 1;
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, weight.rows(), parts);
    float[] row = new float[k];
    for (long r = 0; r < weight.rows(); r++) {
      weight.dequantizeRow(r, row);
      for (int part = 0; part < parts; part++) {
        double sum = 0;
        for (int j = k / parts * part; j < k / parts * (part + 1); j++) {
          sum += row[j];
        }
        out.setFloat(r * parts + part, (float) (8 * sum));
      }
    }
    return out;
  }

  /** What W8A8 has, of the layer or of its form for decoding. */
  private void fixed(StaticRows rows) {
    long n = layer.weight().rows();
    boolean asBits = modelType != DType.BF16;
    Tensor dequantizers = Tensor.allocate(Arena.ofAuto(), asBits ? DType.I64 : DType.F32, n);
    Tensor quantBias = Tensor.allocate(Arena.ofAuto(), DType.I32, n);
    for (long r = 0; r < n; r++) {
      float dequantizer = rows.dequantizer(r);
      if (asBits) {
        long bits = Float.floatToRawIntBits(dequantizer) & 0xFFFFFFFFL;
        dequantizers.segment().set(JAVA_LONG_UNALIGNED, r * Long.BYTES, bits);
      } else {
        dequantizers.setFloat(r, dequantizer);
      }
      quantBias.segment().set(JAVA_INT_UNALIGNED, r * Integer.BYTES, rows.quantBias(r));
    }
    put("input_scale", Tensor.ofFloats(new float[] {rows.input().scale()}, 1));
    put("input_offset", Tensor.ofFloats(new float[] {rows.input().offset()}, 1));
    put("deq_scale", dequantizers);
    put("quant_bias", quantBias);
  }
}
