package dev.octet.bench;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.engine.Tokenizer;
import dev.octet.quantize.recipe.RecipeDocument;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SequencedMap;

/** Everything that reads what others wrote, each given arbitrary bytes in the place of its file. */
enum FuzzReader {
  SAFETENSORS,
  /**
   * config.json beside sound weights; the first byte chooses the format, whose settings it holds.
   */
  CONFIG,
  /** What stands in a file of its own: Ascend's description, ModelOpt's settings. */
  SETTINGS,
  /** All weights of a model whose settings are sound; the first byte chooses the format. */
  WEIGHTS,
  GGUF,
  TOKENIZER,
  RECIPE;

  private static final String TOKENS =
      """
      {"version": "1.0", "truncation": null, "padding": null,
       "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false,
         "rstrip": false, "normalized": false, "special": true}],
       "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false,
         "trim_offsets": true, "use_regex": true},
       "post_processor": null, "decoder": {"type": "ByteLevel", "add_prefix_space": true,
         "trim_offsets": true, "use_regex": true},
       "model": {"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false,
         "byte_fallback": false, "vocab": {"<s>": 0, "a": 1, "b": 2, "ab": 3}, "merges": ["a b"]}}
      """;
  private static final String STEPS =
      """
      scheme: w8a8
      ignore: [lm_head, "*.down_proj"]
      steps:
        - smoothquant: {alpha: auto}
        - gptq: {damping: 0.01}
        - static-inputs: {observer: percentile:99.99}
        - faquant
      layers:
        - targets: ["model.layers.0.*"]
          scheme: w8a16
      calibration: {text: book.txt, samples: 128, length: 512, seed: 0}
      format: ascend
      """;

  /** Inputs to start from, one for every format at least. */
  List<byte[]> seeds(SequencedMap<String, Path> models) throws IOException {
    List<byte[]> seeds = new ArrayList<>();
    int index = 0;
    for (Path model : models.values()) {
      byte[] chosen = {(byte) index++};
      switch (this) {
        case SAFETENSORS -> addIfThere(seeds, new byte[0], model.resolve("model.safetensors"));
        case CONFIG -> addIfThere(seeds, chosen, model.resolve("config.json"));
        case WEIGHTS -> {
          addIfThere(seeds, chosen, model.resolve("model.safetensors"));
          addIfThere(seeds, chosen, model.resolve("quant_model_weights.safetensors"));
        }
        case SETTINGS -> {
          addIfThere(seeds, chosen, model.resolve("quant_model_description.json"));
          addIfThere(seeds, chosen, model.resolve("hf_quant_config.json"));
        }
        case GGUF -> {
          if (model.toString().endsWith(".gguf")) {
            seeds.add(Files.readAllBytes(model));
          }
        }
        case TOKENIZER, RECIPE -> {}
      }
    }
    if (this == TOKENIZER || this == RECIPE) {
      seeds.add((this == TOKENIZER ? TOKENS : STEPS).getBytes(StandardCharsets.UTF_8));
    }
    return seeds;
  }

  private static void addIfThere(List<byte[]> seeds, byte[] before, Path file) throws IOException {
    if (Files.exists(file)) {
      byte[] content = Files.readAllBytes(file);
      byte[] seed = Arrays.copyOf(before, before.length + content.length);
      System.arraycopy(content, 0, seed, before.length, content.length);
      seeds.add(seed);
    }
  }

  /**
   * Reads the bytes as far as they go; returns whether they were sound. Whatever else is thrown is
   * a mistake.
   *
   * @param work an empty folder for this call
   */
  boolean read(byte[] data, SequencedMap<String, Path> models, Path work) throws IOException {
    try {
      switch (this) {
        case SAFETENSORS -> {
          Path file = Files.write(work.resolve("model.safetensors"), data);
          try (SafetensorsFile open = SafetensorsFile.open(file)) {
            open.tensors().values().forEach(t -> t.segment().byteSize());
          }
        }
        case CONFIG -> model(data, "config.json", models, work);
        case WEIGHTS -> {
          Path ascend = chosen(data, models).resolve("quant_model_weights.safetensors");
          String name =
              Files.exists(ascend) ? ascend.getFileName().toString() : "model.safetensors";
          model(data, name, models, work);
        }
        case SETTINGS -> {
          Path model = chosen(data, models);
          boolean ascend = Files.exists(model.resolve("quant_model_description.json"));
          model(
              data, ascend ? "quant_model_description.json" : "hf_quant_config.json", models, work);
        }
        case GGUF -> {
          Path file = Files.write(work.resolve("m.gguf"), data);
          open(file);
          tokenizeIfThere(file);
        }
        case TOKENIZER -> {
          Files.write(work.resolve("tokenizer.json"), data);
          tokenize(work);
        }
        case RECIPE -> RecipeDocument.read(Files.write(work.resolve("r.yaml"), data));
      }
      return true;
    } catch (CheckpointException e) {
      requireOneLine(e);
      return false;
    } catch (IllegalArgumentException e) {
      if (this != RECIPE) {
        throw e;
      }
      requireOneLine(e);
      return false;
    }
  }

  private static void requireOneLine(Exception e) {
    String message = String.valueOf(e.getMessage());
    if (message.isBlank() || message.contains("\n") || message.length() > 2000) {
      throw new AssertionError("no message for a person: " + message, e);
    }
  }

  private static Path chosen(byte[] data, SequencedMap<String, Path> models) {
    List<Path> folders = models.values().stream().filter(Files::isDirectory).toList();
    return folders.get(data.length == 0 ? 0 : (data[0] & 0xFF) % folders.size());
  }

  private static void model(byte[] data, String name, SequencedMap<String, Path> models, Path work)
      throws IOException {
    try (var files = Files.list(chosen(data, models))) {
      for (Path file : files.toList()) {
        Files.copy(file, work.resolve(file.getFileName()), StandardCopyOption.REPLACE_EXISTING);
      }
    }
    Files.write(
        work.resolve(name), Arrays.copyOfRange(data, Math.min(1, data.length), data.length));
    open(work);
  }

  private static void open(Path model) {
    try (Checkpoint c = Checkpoints.open(model)) {
      ModelLayout.linears(c.config(), shape -> c.linear(shape.module()));
      for (int layer = 0; layer < c.config().layers(); layer++) {
        c.kvScales(layer);
        c.queryScales(layer);
      }
      c.embedding().dequantizeRow(0, new float[Math.toIntExact(c.embedding().columns())]);
    }
  }

  private static void tokenizeIfThere(Path model) {
    try {
      tokenize(model);
    } catch (CheckpointException e) {
      requireOneLine(e); // the model may be sound without
    }
  }

  private static void tokenize(Path model) {
    try (Tokenizer tokenizer = Tokenizer.load(model)) {
      tokenizer.encode("ab <s> Ж", true);
    }
  }
}
