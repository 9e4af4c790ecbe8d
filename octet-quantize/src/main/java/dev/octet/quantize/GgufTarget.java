package dev.octet.quantize;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.WeightSource;
import dev.octet.checkpoint.gguf.GgufModel;
import dev.octet.checkpoint.gguf.GgufType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.ScalePrecision;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * A type of GGUF as a scheme that any method quantizes to, its scales such that the file holds the
 * result exactly.
 *
 * @param scheme groups of 32 columns or a multiple, scales in F16
 * @param outer the type of embedding and output, which llama.cpp keeps finer than the layers
 */
public record GgufTarget(QuantScheme scheme, GgufType outer) {
  /** What methods quantize to. */
  public static final String STEPPED = "q8_0, q4_1, q4_0, w8a16, w4a16, w4a16-asym";

  private static final int BLOCK = 32;

  /**
   * The target of that name: a type of GGUF or a scheme.
   *
   * @param group columns that share a scale; 0: 32
   * @return empty for a type or scheme that GGUF holds no canonical form of
   * @throws IllegalArgumentException if blocks of 32 cannot hold groups of that size
   */
  public static Optional<GgufTarget> of(String name, int group) {
    if (group < 0 || group % BLOCK != 0) {
      throw new IllegalArgumentException(
          "GGUF has blocks of 32: groups of %d do not consist of them".formatted(group));
    }
    int columns = group == 0 ? BLOCK : group;
    return Optional.ofNullable(
        switch (name.toLowerCase(Locale.ROOT).replace('_', '-')) {
          case "q4-0", "w4a16" -> of(QuantScheme.W4A16, columns, ScalePrecision.F16, GgufType.Q4_0);
          case "q4-1", "w4a16-asym", "int4" ->
              of(QuantScheme.W4A16_ASYM, columns, ScalePrecision.F16_MULTIPLES, GgufType.Q4_1);
          case "q8-0", "w8a16" -> of(QuantScheme.W8A16, columns, ScalePrecision.F16, GgufType.Q8_0);
          default -> null;
        });
  }

  /**
   * The same for names that must be known.
   *
   * @throws IllegalArgumentException for another, listing them
   */
  public static GgufTarget named(String name, int group) {
    return of(name, group)
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "'%s' is not written as GGUF with steps; choose one of %s"
                        .formatted(name, STEPPED)));
  }

  private static GgufTarget of(
      QuantScheme scheme, int group, ScalePrecision precision, GgufType outer) {
    return new GgufTarget(scheme.withGroup(group).withScales(precision), outer);
  }

  /**
   * Refuses before any work what would be refused after it.
   *
   * @param in an unquantized model
   * @param out the file to write
   * @param options schemes, this target's among them
   * @param method what is done to layers
   * @throws CheckpointException if GGUF cannot describe the model, a layer's inputs are no multiple
   *     of 32, the blocks cannot hold what the method makes, or the file is there and may not be
   *     replaced
   */
  public void require(
      Path in, Path out, QuantizeOptions options, Preflight.Method method, boolean force) {
    GgufQuantizer.requireFile(out);
    if (Files.exists(out) && !force) {
      throw new CheckpointException(out + ": exists already; use --force to replace it");
    }
    try (Original original = Original.unquantized(in);
        Arena arena = Arena.ofShared()) {
      original.requireOutside(out);
      Checkpoint source = original.source();
      ModelLayout.linears(
          source.config(),
          shape -> {
            int group = options.schemeOf(shape.module()).group();
            if (!options.ignores(shape.module()) && shape.columns() % group != 0) {
              throw new CheckpointException(
                  "%s: groups of %d do not divide %d input features"
                      .formatted(shape.module(), group, shape.columns()));
            }
          });
      new GgufModel(new Expected(source, options, method, arena), outer, options::ignores);
    }
  }

  /** A model as a method will leave it: layers of a few rows. */
  private static final class Expected implements ForwardingSource {
    private final WeightSource source;
    private final Map<String, LinearWeights> layers = new HashMap<>();

    Expected(WeightSource source, QuantizeOptions options, Preflight.Method method, Arena arena) {
      this.source = source;
      var samples = Preflight.samples(source.config(), options, method, arena);
      ModelLayout.linears(
          source.config(), shape -> layers.put(shape.module(), samples.apply(shape)));
    }

    @Override
    public WeightSource source() {
      return source;
    }

    @Override
    public LinearWeights linear(String module) {
      return Objects.requireNonNull(layers.get(module), module);
    }

    @Override
    public Optional<KvScales> kvScales(int layer) {
      return Optional.empty();
    }
  }
}
