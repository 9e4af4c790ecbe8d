package dev.octet.quantize;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.FormatCheck;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.RoundToNearest;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Whether a format can hold what quantizing will make of a model, asked before the hours that it
 * takes. A few rows of every shape are quantized in every scheme that it is to have, and given the
 * inputs that the method will give them; the format judges them as it will judge the layers.
 */
public final class Preflight {
  /** Formats pack up to 32 rows into words: so many and the rest stand for all. */
  private static final long ROWS = 32;

  /** What a method does to a layer besides choosing codes. */
  public interface Method {
    /** Nothing. */
    Method ROUNDING = (shape, layer, config) -> layer;

    /**
     * A layer as the method leaves it.
     *
     * @param rounded every weight rounded to its nearest code
     */
    LinearWeights made(LinearShape shape, LinearWeights rounded, ModelConfig config);

    /** Scales of a layer's cache, of any value; null: none. */
    default @Nullable KvScales cache(ModelConfig config) {
      return null;
    }

    /** Scales of a layer's queries, of any value; null: none. */
    default @Nullable QueryScales query(ModelConfig config) {
      return null;
    }
  }

  private final ModelConfig config;
  private final QuantizeOptions options;
  private final Method method;
  private final Arena arena;
  private final Map<List<Object>, LinearWeights> samples = new HashMap<>();

  private Preflight(ModelConfig config, QuantizeOptions options, Method method, Arena arena) {
    this.config = config;
    this.options = options;
    this.method = method;
    this.arena = arena;
  }

  /**
   * Refuses a format that cannot hold the result.
   *
   * @param config of the model that is to be written
   * @param options schemes, as they were asked for
   * @throws CheckpointException naming a layer, the reason, and formats that can
   */
  public static void require(
      ModelConfig config, QuantizeOptions options, Method method, WriteFormat format) {
    Optional<CheckpointException> problem = problem(config, options, method, format);
    if (problem.isEmpty()) {
      return;
    }
    String others =
        Arrays.stream(WriteFormat.values())
            .filter(f -> f != format && f != WriteFormat.DENSE)
            .filter(f -> problem(config, options, method, f).isEmpty())
            .map(WriteFormat::label)
            .collect(Collectors.joining(", "));
    String message = "format %s: %s".formatted(format.label(), problem.get().getMessage());
    throw new CheckpointException(
        others.isEmpty() ? message : message + "; formats that can hold it: " + others,
        problem.get());
  }

  /** Why a format cannot hold the result; empty if it can. */
  public static Optional<CheckpointException> problem(
      ModelConfig config, QuantizeOptions options, Method method, WriteFormat format) {
    try (Arena arena = Arena.ofShared()) {
      QuantizeOptions stored = options.storedAs(format);
      OutputLayer.requireHeld(stored, format);
      FormatCheck.require(
          format,
          config,
          samples(config, stored, method, arena),
          method.cache(config),
          method.query(config));
      return Optional.empty();
    } catch (CheckpointException e) {
      return Optional.of(e);
    }
  }

  /** Layers that look like those to come, of a few rows; the arena owns them. */
  static Function<LinearShape, LinearWeights> samples(
      ModelConfig config, QuantizeOptions options, Method method, Arena arena) {
    return new Preflight(config, options, method, arena)::sample;
  }

  private LinearWeights sample(LinearShape shape) {
    String name = shape.module().substring(shape.module().lastIndexOf('.') + 1);
    QuantScheme scheme =
        options.ignores(shape.module())
            ? null
            : LayerQuantizer.dividing(options.schemeOf(shape.module()), shape.columns());
    List<Object> key = List.of(name, shape.rows(), shape.columns(), Optional.ofNullable(scheme));
    return samples.computeIfAbsent(key, _ -> sample(shape, scheme));
  }

  private LinearWeights sample(LinearShape shape, @Nullable QuantScheme scheme) {
    Tensor values = values(Math.min(shape.rows(), ROWS + shape.rows() % ROWS), shape.columns());
    ActivationQuant.None plain = new ActivationQuant.None();
    if (scheme == null) {
      DenseWeight kept = new DenseWeight(values.to(config.dtype(), arena));
      return new LinearWeights(kept, null, plain);
    }
    LinearWeights rounded =
        new LinearWeights(
            RoundToNearest.quantize(values, scheme, arena), null, scheme.activation());
    return method.made(shape, rounded, config);
  }

  /** Numbers of both signs in every stretch of columns, as weights are. */
  private Tensor values(long rows, long columns) {
    Tensor values = Tensor.allocate(arena, DType.F32, rows, columns);
    for (long i = 0; i < values.size(); i++) {
      values.setFloat(i, ((i * 37 + i / columns) % 255 - 127) / 127f);
    }
    return values;
  }
}
