package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.Texts;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A directory's tokenizer.json as metadata of a GGUF file: whole, under {@code
 * tokenizer.huggingface.json}, and in the keys that llama.cpp reads ({@code tokenizer.ggml.…}).
 */
public final class GgufVocabulary {
  private static final String KEY = "tokenizer.ggml.";
  private static final int NORMAL = 1;
  private static final int UNKNOWN = 2;
  private static final int CONTROL = 3;
  private static final int USER_DEFINED = 4;
  private static final int UNUSED = 5;
  private static final int BYTE = 6;

  private static final String TOKENIZER = "tokenizer.";

  /** Element types of arrays in a file's metadata. */
  private static final int U32 = 4;

  private static final int I32 = 5;
  private static final int F32 = 6;
  private static final int TEXTS = 8;

  private final ObjectNode root;
  private final ModelConfig config;
  private final String[] tokens;
  private final int[] types;

  private GgufVocabulary(ObjectNode root, ModelConfig config) {
    this.root = root;
    this.config = config;
    this.tokens = new String[config.vocabSize()];
    this.types = new int[config.vocabSize()];
  }

  /**
   * Adds the tokenizer of a model.
   *
   * @param directory of the model, or its GGUF file, whose entries are copied
   * @return what the file does not hold, or holds only in part, for the user to know
   */
  public static Optional<String> add(Path directory, ModelConfig config, GgufEntries out) {
    boolean beside = Files.exists(directory.resolve("tokenizer.json"));
    if (!beside && (!Files.isDirectory(directory) || GgufParts.in(directory))) {
      try (GgufFile file = GgufFile.open(GgufParts.of(directory))) {
        return copy(file.metadata(), out);
      }
    }
    chatTemplate(directory).ifPresent(t -> out.text("tokenizer.chat_template", t));
    Path file = directory.resolve("tokenizer.json");
    if (!Files.exists(file)) {
      return Optional.of("there is no tokenizer.json: the file holds no tokenizer");
    }
    ObjectNode root = Json.readObject(file);
    if (!root.path("model").path("type").asString("").equals("BPE")
        || !root.path("model").path("vocab").isObject()) {
      out.text("tokenizer.huggingface.json", root.toString());
      return Optional.of(
          "tokenizer.json is no byte-pair encoding: the file holds it for Octet, not for llama.cpp");
    }
    return new GgufVocabulary(root, config).add(out);
  }

  private static Optional<String> copy(GgufMetadata from, GgufEntries out) {
    List<String> left =
        from.values().tailMap(TOKENIZER).entrySet().stream()
            .takeWhile(e -> e.getKey().startsWith(TOKENIZER))
            .filter(e -> !copied(e.getKey(), e.getValue(), from, out))
            .map(Map.Entry::getKey)
            .toList();
    if (!from.has(KEY + "tokens") && !from.has("tokenizer.huggingface.json")) {
      return Optional.of("the original has no tokenizer, so the file holds none");
    }
    return left.isEmpty()
        ? Optional.empty()
        : Optional.of("of the original's tokenizer the file lacks " + String.join(", ", left));
  }

  /** Whether an entry could be copied. Integers of a vocabulary's arrays have at most 24 bits. */
  private static boolean copied(String key, GgufValue value, GgufMetadata from, GgufEntries out) {
    switch (value) {
      case GgufValue.Text(String text) -> out.text(key, text);
      case GgufValue.Flag(boolean flag) -> out.flag(key, flag);
      case GgufValue.Whole(long whole) when whole >= 0 && whole <= Integer.MAX_VALUE ->
          out.whole(key, (int) whole);
      case GgufValue.Whole _ -> {
        return false;
      }
      case GgufValue.Real(double real) -> out.real(key, real);
      case GgufValue.Many(int type, _, _) when type == TEXTS -> out.texts(key, from.texts(key));
      case GgufValue.Many(int type, _, _) when type == F32 -> out.reals(key, from.numbers(key));
      case GgufValue.Many(int type, _, _) when type == U32 || type == I32 -> {
        float[] numbers = from.numbers(key);
        int[] wholes = new int[numbers.length];
        for (int i = 0; i < wholes.length; i++) {
          wholes[i] = (int) numbers[i];
        }
        out.wholes(key, wholes);
      }
      case GgufValue.Many _ -> {
        return false;
      }
    }
    return true;
  }

  private static Optional<String> chatTemplate(Path directory) {
    Path jinja = directory.resolve("chat_template.jinja");
    try {
      if (Files.isRegularFile(jinja) && Files.size(jinja) < Json.MAX_FILE) {
        return Optional.of(Files.readString(jinja));
      }
    } catch (IOException e) {
      throw new CheckpointException(jinja + ": cannot be read: " + Texts.reason(e), e);
    }
    Path settings = directory.resolve("tokenizer_config.json");
    return Files.exists(settings)
        ? Optional.of(Json.readObject(settings).path("chat_template"))
            .filter(JsonNode::isString)
            .map(JsonNode::stringValue)
        : Optional.empty();
  }

  private Optional<String> add(GgufEntries out) {
    JsonNode model = root.path("model");
    boolean sentencePiece = model.path("byte_fallback").asBoolean(false);
    collect(sentencePiece);
    out.text(KEY + "model", sentencePiece ? "llama" : "gpt2");
    Optional<String> pre = sentencePiece ? Optional.of("default") : GgufPre.of(root);
    out.text(KEY + "pre", pre.orElse("default"));
    out.texts(KEY + "tokens", Arrays.asList(tokens));
    out.wholes(KEY + "token_type", types);
    List<String> merges = merges(model);
    if (sentencePiece) {
      out.reals(KEY + "scores", scores(merges));
      out.flag(KEY + "add_space_prefix", root.path("normalizer").toString().contains("Prepend"));
    } else {
      out.texts(KEY + "merges", merges);
    }
    ids(out);
    out.text("tokenizer.huggingface.json", root.toString());
    return pre.isPresent()
        ? Optional.empty()
        : Optional.of(
            "llama.cpp has no name for how this tokenizer cuts text and will cut some texts otherwise");
  }

  private void collect(boolean sentencePiece) {
    Arrays.fill(types, UNUSED);
    for (int id = 0; id < tokens.length; id++) {
      tokens[id] = "[PAD" + id + "]";
    }
    String unknown = root.path("model").path("unk_token").asString("");
    for (Map.Entry<String, JsonNode> e : root.path("model").path("vocab").properties()) {
      boolean isByte = sentencePiece && e.getKey().matches("<0x[0-9A-Fa-f]{2}>");
      put(e.getValue(), e.getKey(), isByte ? BYTE : e.getKey().equals(unknown) ? UNKNOWN : NORMAL);
    }
    for (JsonNode added : root.path("added_tokens")) {
      String content = added.path("content").asString("");
      int type = added.path("special").asBoolean(false) ? CONTROL : USER_DEFINED;
      put(added.path("id"), content, content.equals(unknown) ? UNKNOWN : type);
    }
  }

  /** Ids beyond the embedding can never be chosen and are left out. */
  private void put(JsonNode id, String token, int type) {
    if (id.isInt() && id.intValue() >= 0 && id.intValue() < tokens.length) {
      tokens[id.intValue()] = token;
      types[id.intValue()] = type;
    }
  }

  private static List<String> merges(JsonNode model) {
    List<String> merges = new ArrayList<>();
    for (JsonNode merge : model.path("merges")) {
      merges.add(
          merge.isArray()
              ? merge.path(0).asString("") + " " + merge.path(1).asString("")
              : merge.asString(""));
    }
    return merges;
  }

  /** What is merged first has the highest score; what is never merged, the lowest. */
  private float[] scores(List<String> merges) {
    Map<String, Integer> rank = new HashMap<>();
    for (int i = 0; i < merges.size(); i++) {
      rank.putIfAbsent(merges.get(i).replace(" ", ""), i);
    }
    float[] scores = new float[tokens.length];
    for (int id = 0; id < tokens.length; id++) {
      boolean text = types[id] == NORMAL || types[id] == USER_DEFINED;
      scores[id] = text ? -(float) rank.getOrDefault(tokens[id], merges.size() + id) : 0;
    }
    return scores;
  }

  private void ids(GgufEntries out) {
    if (config.bosTokenId() >= 0) {
      out.whole(KEY + "bos_token_id", config.bosTokenId());
    }
    List<Integer> ends = config.eosTokenIds();
    List<String> kinds = List.of("eos", "eot", "eom");
    for (int i = 0; i < Math.min(ends.size(), kinds.size()); i++) {
      out.whole(KEY + kinds.get(i) + "_token_id", ends.get(i));
    }
    for (int id = 0; id < types.length; id++) {
      if (types[id] == UNKNOWN) {
        out.whole(KEY + "unknown_token_id", id);
        break;
      }
    }
    JsonNode single = root.path("post_processor").path("single");
    out.flag(KEY + "add_bos_token", single.path(0).has("SpecialToken"));
    out.flag(
        KEY + "add_eos_token",
        single.size() > 1 && single.path(single.size() - 1).has("SpecialToken"));
  }
}
