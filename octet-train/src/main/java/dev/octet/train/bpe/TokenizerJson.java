package dev.octet.train.bpe;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Writes a vocabulary as Hugging Face's {@code tokenizer.json} and {@code tokenizer_config.json},
 * and reads the former back.
 *
 * <p>Pre-tokenizer: the split expression, then bytes as printable characters; decoder: the reverse;
 * post-processor: a template that puts {@code <|begin_of_text|>} first.
 */
public final class TokenizerJson {
  private static final JsonMapper MAPPER = JsonMapper.builder().build();

  private TokenizerJson() {}

  /** The content of {@code tokenizer.json}. */
  public static String write(BpeVocabulary vocabulary) {
    Map<String, Object> root = new LinkedHashMap<>();
    root.put("version", "1.0");
    root.put("truncation", null);
    root.put("padding", null);
    root.put("added_tokens", addedTokens(vocabulary));
    root.put("normalizer", null);
    root.put(
        "pre_tokenizer",
        map(
            "type",
            "Sequence",
            "pretokenizers",
            List.of(
                map(
                    "type",
                    "Split",
                    "pattern",
                    map("Regex", PreTokenizer.REGEX),
                    "behavior",
                    "Isolated",
                    "invert",
                    false),
                byteLevel())));
    root.put("post_processor", beginFirst(vocabulary));
    root.put("decoder", byteLevel());
    root.put("model", model(vocabulary));
    return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(root);
  }

  /** The content of {@code tokenizer_config.json}. */
  public static String writeConfig(int context) {
    return MAPPER
        .writerWithDefaultPrettyPrinter()
        .writeValueAsString(
            map(
                "tokenizer_class",
                "PreTrainedTokenizerFast",
                "bos_token",
                BpeVocabulary.BEGIN,
                "eos_token",
                BpeVocabulary.END,
                "add_bos_token",
                true,
                "add_eos_token",
                false,
                "clean_up_tokenization_spaces",
                false,
                "model_input_names",
                List.of("input_ids", "attention_mask"),
                "model_max_length",
                context));
  }

  /**
   * Reads a {@code tokenizer.json} that {@link #write} made.
   *
   * @throws IllegalArgumentException if the text is not such a file
   */
  public static BpeVocabulary read(String json) {
    try {
      JsonNode root = MAPPER.readTree(json);
      List<String> special = new ArrayList<>();
      root.path("added_tokens").forEach(token -> special.add(token.path("content").asString()));
      JsonNode model = root.path("model");
      Map<String, Integer> ids = new LinkedHashMap<>();
      model.path("vocab").properties().forEach(e -> ids.put(e.getKey(), e.getValue().asInt()));
      List<BpeVocabulary.Merge> merges = new ArrayList<>();
      for (JsonNode pair : model.path("merges")) {
        merges.add(
            new BpeVocabulary.Merge(
                ids.getOrDefault(pair.path(0).asString(), -1),
                ids.getOrDefault(pair.path(1).asString(), -1)));
      }
      BpeVocabulary vocabulary = new BpeVocabulary(special, merges);
      if (ids.size() != vocabulary.size() || !json.strip().equals(write(vocabulary))) {
        throw new IllegalArgumentException("tokenizer.json was not written by this trainer");
      }
      return vocabulary;
    } catch (JacksonException e) {
      throw new IllegalArgumentException("tokenizer.json is not JSON: " + e.getMessage(), e);
    }
  }

  private static List<Object> addedTokens(BpeVocabulary vocabulary) {
    List<Object> added = new ArrayList<>();
    for (int id = 0; id < vocabulary.special().size(); id++) {
      added.add(
          map(
              "id",
              id,
              "content",
              vocabulary.special().get(id),
              "single_word",
              false,
              "lstrip",
              false,
              "rstrip",
              false,
              "normalized",
              false,
              "special",
              true));
    }
    return added;
  }

  private static Map<String, Object> byteLevel() {
    return map(
        "type", "ByteLevel", "add_prefix_space", false, "trim_offsets", true, "use_regex", false);
  }

  private static Map<String, Object> beginFirst(BpeVocabulary vocabulary) {
    String begin = BpeVocabulary.BEGIN;
    Object token = map("SpecialToken", map("id", begin, "type_id", 0));
    return map(
        "type",
        "TemplateProcessing",
        "single",
        List.of(token, sequence("A", 0)),
        "pair",
        List.of(token, sequence("A", 0), token, sequence("B", 1)),
        "special_tokens",
        map(
            begin,
            map("id", begin, "ids", List.of(vocabulary.idOf(begin)), "tokens", List.of(begin))));
  }

  private static Object sequence(String name, int type) {
    return map("Sequence", map("id", name, "type_id", type));
  }

  private static Map<String, Object> model(BpeVocabulary vocabulary) {
    List<String> names = new ArrayList<>();
    List<byte[]> tokens = vocabulary.tokens();
    for (int id = 0; id < tokens.size(); id++) {
      boolean special = id < vocabulary.special().size();
      names.add(special ? vocabulary.special().get(id) : ByteAlphabet.encode(tokens.get(id)));
    }
    Map<String, Object> vocab = new LinkedHashMap<>();
    for (int id = 0; id < names.size(); id++) {
      vocab.put(names.get(id), id);
    }
    List<Object> merges = new ArrayList<>();
    for (BpeVocabulary.Merge merge : vocabulary.merges()) {
      merges.add(List.of(names.get(merge.left()), names.get(merge.right())));
    }
    Map<String, Object> model = new LinkedHashMap<>();
    model.put("type", "BPE");
    model.put("dropout", null);
    model.put("unk_token", null);
    model.put("continuing_subword_prefix", null);
    model.put("end_of_word_suffix", null);
    model.put("fuse_unk", false);
    model.put("byte_fallback", false);
    model.put("ignore_merges", false);
    model.put("vocab", vocab);
    model.put("merges", merges);
    return model;
  }

  private static Map<String, Object> map(Object... entries) {
    Map<String, Object> map = new LinkedHashMap<>();
    for (int i = 0; i < entries.length; i += 2) {
      map.put((String) entries[i], entries[i + 1]);
    }
    return map;
  }
}
