package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.ascend.QuantType.Operand;
import dev.octet.checkpoint.ascend.QuantType.Strategy;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.checkpoint.internal.Texts;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Static scales of attention and of the cache. FAQuant: {@code fa_q}, {@code fa_k}, {@code fa_v}
 * with {@code .scale} and {@code .offset}, [heads, 1] or [heads, head_dim]. C8: {@code
 * k_proj.kv_cache_scale} and {@code .kv_cache_offset}, the same for {@code v_proj}, [kv heads ·
 * head_dim]. A layer without them is left unquantized; the two do not go together. Strategies that
 * compute scales from the data store nothing, and serve as no more than a wish.
 */
final class AttentionScales {
  private static final float[] NONE = {};
  private static final Set<DType> OFFSETS =
      EnumSet.of(DType.F32, DType.F16, DType.BF16, DType.I8, DType.I16, DType.I32);

  private final Description description;
  private final ModelConfig config;
  private final StoredTensors tensors;

  AttentionScales(Description description, ModelConfig config, StoredTensors tensors) {
    this.description = description;
    this.config = config;
    this.tensors = tensors;
    String type = description.text("fa_quant_type").orElse("FAQuant");
    if (!type.equals("FAQuant") && !type.equals("FAKQuant")) {
      throw description.unsupported(
          "fa_quant_type", "is " + Texts.quote(type) + ", not FAQuant or FAKQuant");
    }
  }

  /** Refuses damaged scales, so that none is met in the middle of loading. */
  void check() {
    for (int layer = 0; layer < config.layers(); layer++) {
      cache(layer);
      query(layer);
    }
  }

  /** Keys and values both have static scales of one type, or the cache is not quantized. */
  Optional<KvScales> cache(int layer) {
    String attention = attention(layer);
    boolean c8 = hasCache(attention);
    Optional<Strategy> strategy = strategy(attention);
    if (!hasAttention(attention)) {
      return c8 ? Optional.of(c8(attention)) : Optional.empty();
    }
    if (c8) {
      throw tensors.problem(
          attention + "k_proj.kv_cache_scale",
          "is stored beside attention scales; only one can be");
    }
    return strategy.map(
        s ->
            new KvScales(
                dtype(s),
                scale(attention + "fa_k.scale", config.kvHeads()),
                scale(attention + "fa_v.scale", config.kvHeads()),
                offset(attention + "fa_k.offset", config.kvHeads(), s),
                offset(attention + "fa_v.offset", config.kvHeads(), s)));
  }

  /** What keys and values are both quantized to by stored scales; empty if they are not. */
  private Optional<Strategy> strategy(String attention) {
    QuantType type = type(attention);
    return type.of(Operand.K)
        .filter(key -> isStatic(key) && type.of(Operand.V).filter(key::equals).isPresent());
  }

  Optional<QueryScales> query(int layer) {
    String attention = attention(layer);
    Optional<Strategy> query = type(attention).of(Operand.Q).filter(AttentionScales::isStatic);
    if (!hasAttention(attention) || query.isEmpty() || strategy(attention).isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        new QueryScales(
            dtype(query.get()),
            scale(attention + "fa_q.scale", config.heads()),
            offset(attention + "fa_q.offset", config.heads(), query.get())));
  }

  /** What the description asks of attention and cache that stored scales do not serve. */
  List<String> problems() {
    int open = 0;
    String asked = "";
    int scaled = 0;
    for (int layer = config.layers() - 1; layer >= 0; layer--) {
      String attention = attention(layer);
      Optional<String> text = description.text(attention + "quant_type");
      scaled += hasAttention(attention) || hasCache(attention) ? 1 : 0;
      if (text.isPresent() && !serves(layer, type(attention))) {
        open++;
        asked = text.get();
      }
    }
    List<String> problems = new ArrayList<>();
    if (open > 0) {
      problems.add(
          "the description asks for attention %s in %d of %d layers; what has no static scales is"
                  .formatted(asked, open, config.layers())
              + " computed as attention and cache are chosen for the run");
    } else if (scaled == 0) {
      declared().ifPresent(key -> problems.add(unbacked(key)));
    }
    return problems;
  }

  private boolean serves(int layer, QuantType type) {
    boolean cache = type.of(Operand.K).isEmpty() && type.of(Operand.V).isEmpty();
    boolean query = type.of(Operand.Q).isEmpty();
    return (cache || cache(layer).isPresent())
        && (query || query(layer).isPresent())
        && type.of(Operand.P).isEmpty();
  }

  private Optional<String> declared() {
    return Stream.of("fa_quant_type", "kv_quant_type", "kv_cache_type")
        .filter(key -> description.text(key).filter(v -> v.matches("F.*|C8|KV8")).isPresent())
        .findFirst();
  }

  private String unbacked(String key) {
    return "the description declares %s (%s), but no layer stores scales for it: it is not quantized"
        .formatted(Texts.quote(description.text(key).orElse("")), key);
  }

  private static String attention(int layer) {
    return "model.layers." + layer + ".self_attn.";
  }

  private boolean hasCache(String attention) {
    return tensors.has(attention + "k_proj.kv_cache_scale")
        || tensors.has(attention + "v_proj.kv_cache_scale");
  }

  private boolean hasAttention(String attention) {
    return tensors.has(attention + "fa_q.scale")
        || tensors.has(attention + "fa_k.scale")
        || tensors.has(attention + "fa_v.scale");
  }

  private KvScales c8(String attention) {
    Strategy int8 = new Strategy("INT8", false);
    return new KvScales(
        DType.I8,
        scale(attention + "k_proj.kv_cache_scale", config.kvHeads()),
        scale(attention + "v_proj.kv_cache_scale", config.kvHeads()),
        offset(attention + "k_proj.kv_cache_offset", config.kvHeads(), int8),
        offset(attention + "v_proj.kv_cache_offset", config.kvHeads(), int8));
  }

  private QuantType type(String attention) {
    String key = attention + "quant_type";
    Optional<String> text = description.text(key);
    if (text.isEmpty()) {
      return QuantType.DEFAULT;
    }
    return QuantType.of(text.get())
        .orElseThrow(
            () ->
                description.problem(
                    key, "is " + Texts.quote(text.get()) + ", which names no attention type"));
  }

  private static boolean isStatic(Strategy strategy) {
    return !strategy.dynamic() && !strategy.type().startsWith("MX");
  }

  private static DType dtype(Strategy strategy) {
    return strategy.type().equals("INT8") ? DType.I8 : DType.F8_E4M3;
  }

  private float[] scale(String name, int heads) {
    Tensor scale = fitting(name, heads, DenseFormat.FLOATS);
    StoredScales.requirePositive(tensors, name, scale);
    return scale.toFloats();
  }

  /** Empty if all are 0, or none is stored. */
  private float[] offset(String name, int heads, Strategy strategy) {
    if (!tensors.has(name)) {
      return NONE;
    }
    float[] offset = fitting(name, heads, OFFSETS).toFloats();
    boolean allZero = true;
    for (int i = 0; i < offset.length; i++) {
      if (!(offset[i] >= -128 && offset[i] <= 127)) {
        throw tensors.problem(
            name, "holds the offset %s at index %d, which is no int8".formatted(offset[i], i));
      }
      allZero &= offset[i] == 0;
    }
    if (!allZero && !strategy.type().equals("INT8")) {
      throw tensors.problem(name, "is not all 0; FP8 has no offsets");
    }
    return allZero ? NONE : offset;
  }

  /** [heads, 1], [heads, head_dim], flat or not, or one for all. */
  private Tensor fitting(String name, int heads, Set<DType> types) {
    Tensor tensor = tensors.get(name);
    long all = (long) heads * config.headDim();
    boolean fits = tensor.size() == 1 || tensor.size() == heads || tensor.size() == all;
    boolean rows = tensor.rank() < 2 || tensor.dim(0) == heads || tensor.rows() == 1;
    if (!fits || !rows || tensor.rank() > 2 || !types.contains(tensor.dtype())) {
      throw tensors.problem(
          name,
          "is %s, expected numbers [%d, 1] or [%d, %d]"
              .formatted(tensor, heads, heads, config.headDim()));
    }
    return tensor;
  }
}
