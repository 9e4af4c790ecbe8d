package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Fields;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * Which layers see a sliding window only. Mistral: all of them if {@code sliding_window} is set.
 * Qwen: those from {@code max_window_layers} on if {@code use_sliding_window} is true. The newer
 * {@code layer_types} says it layer by layer and wins.
 */
final class WindowFields {
  /** Defaults of transformers' Qwen2Config and Qwen3Config. */
  private static final int QWEN_WINDOW_LAYERS = 28;

  private static final int QWEN_WINDOW = 4096;

  private WindowFields() {}

  static List<Integer> read(Fields config, Architecture architecture, int layers) {
    int window = window(config, architecture);
    int first =
        switch (architecture) {
          case LLAMA, MISTRAL -> 0;
          case QWEN2, QWEN3 ->
              config.integer("max_window_layers", 0, Integer.MAX_VALUE).orElse(QWEN_WINDOW_LAYERS);
        };
    List<String> types = config.texts("layer_types");
    if (!types.isEmpty() && types.size() < layers) {
      throw config.problem("layer_types", "names %d layers of %d".formatted(types.size(), layers));
    }
    List<Integer> windows = new ArrayList<>(layers);
    for (int layer = 0; layer < layers; layer++) {
      boolean slides = types.isEmpty() ? layer >= first : slides(config, types.get(layer), window);
      windows.add(slides ? window : 0);
    }
    return windows;
  }

  private static int window(Fields config, Architecture architecture) {
    OptionalInt window = config.integer("sliding_window", 1, Integer.MAX_VALUE);
    return switch (architecture) {
      case MISTRAL -> window.orElse(0);
      case QWEN2, QWEN3 -> {
        int absent = config.names().contains("sliding_window") ? 0 : QWEN_WINDOW; // null: none
        yield config.flag("use_sliding_window", false) ? window.orElse(absent) : 0;
      }
      case LLAMA -> {
        if (window.isPresent()) {
          throw config.unsupported(
              "sliding_window", "is set in a llama model, where runtimes disagree on its meaning");
        }
        yield 0;
      }
    };
  }

  private static boolean slides(Fields config, String type, int window) {
    return switch (type) {
      case "full_attention" -> false;
      case "sliding_attention" -> {
        if (window == 0) {
          throw config.problem("layer_types", "asks for sliding_attention without a window");
        }
        yield true;
      }
      default ->
          throw config.unsupported(
              "layer_types",
              "names '%s'; known are full_attention and sliding_attention".formatted(type));
    };
  }
}
