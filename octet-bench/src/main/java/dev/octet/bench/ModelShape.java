package dev.octet.bench;

import dev.octet.checkpoint.Architecture;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.RopeScaling;
import dev.octet.tensor.DType;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * The shape of a published model, from its config.json.
 *
 * @param label the name on the command line
 * @param config the model's sizes
 */
public record ModelShape(String label, ModelConfig config) {
  private static final List<ModelShape> ALL =
      List.of(
          llama("llama-3.2-1b", 128_256, 2048, 8192, 16, 8, 64, 5e5, 131_072, true),
          llama("llama-3.1-8b", 128_256, 4096, 14_336, 32, 8, 128, 5e5, 131_072, false),
          llama("llama-2-7b", 32_000, 4096, 11_008, 32, 32, 128, 1e4, 4096, false));

  /** All three have 32 query heads; plain rotation costs what a scaled one costs. */
  private static ModelShape llama(
      String label,
      int vocab,
      int hidden,
      int intermediate,
      int layers,
      int kvHeads,
      int headDim,
      double theta,
      int positions,
      boolean tied) {
    ModelConfig config =
        new ModelConfig(
            Architecture.LLAMA,
            vocab,
            hidden,
            intermediate,
            layers,
            32,
            kvHeads,
            headDim,
            1e-5,
            theta,
            new RopeScaling.Default(),
            positions,
            tied,
            false,
            false,
            false,
            false,
            Collections.nCopies(layers, 0),
            -1,
            List.of(),
            DType.BF16);
    return new ModelShape(label, config);
  }

  /**
   * The shape of that name.
   *
   * @throws IllegalArgumentException for an unknown one, listing the known
   */
  public static ModelShape of(String name) {
    for (ModelShape shape : ALL) {
      if (shape.label.equals(name.toLowerCase(Locale.ROOT))) {
        return shape;
      }
    }
    throw new IllegalArgumentException(
        "unknown shape '"
            + name
            + "'; choose one of "
            + ALL.stream().map(ModelShape::label).collect(Collectors.joining(", ")));
  }

  /** The same with so many layers; 0: all. */
  ModelShape withLayers(int layers) {
    if (layers == 0 || layers == config.layers()) {
      return this;
    }
    ModelConfig c = config;
    return llama(
        label,
        c.vocabSize(),
        c.hiddenSize(),
        c.intermediateSize(),
        layers,
        c.kvHeads(),
        c.headDim(),
        c.ropeTheta(),
        c.maxPositions(),
        c.tiedEmbeddings());
  }
}
