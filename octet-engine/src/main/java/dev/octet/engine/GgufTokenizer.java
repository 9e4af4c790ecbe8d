package dev.octet.engine;

import dev.octet.checkpoint.gguf.GgufMetadata;
import dev.octet.checkpoint.gguf.GgufPre;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Makes a Hugging Face tokenizer.json of the tokenizer in a GGUF file's metadata (keys {@code
 * tokenizer.ggml.…} of the GGUF specification). Kinds: {@code gpt2}, byte-level byte-pair encoding
 * with its merges; {@code llama}, SentencePiece's, whose merges follow from the scores. A file that
 * carries {@code tokenizer.huggingface.json} has the very thing.
 */
final class GgufTokenizer {
  private static final String KEY = "tokenizer.ggml.";
  private static final int UNKNOWN = 2;
  private static final int CONTROL = 3;
  private static final int USER_DEFINED = 4;
  private static final JsonMapper MAPPER = JsonMapper.shared();

  private final GgufMetadata metadata;
  private final List<String> tokens;
  private final float[] types;

  private GgufTokenizer(GgufMetadata metadata) {
    this.metadata = metadata;
    this.tokens = metadata.texts(KEY + "tokens");
    this.types = metadata.numbers(KEY + "token_type");
    if (tokens.isEmpty()) {
      throw metadata.problem(
          KEY + "tokens", "is missing; text needs a tokenizer, token ids can be used without");
    }
    if (types.length != 0 && types.length != tokens.size()) {
      throw metadata.problem(
          KEY + "token_type", "has %d entries for %d".formatted(types.length, tokens.size()));
    }
  }

  /** Whether there is a tokenizer at all. */
  static boolean in(GgufMetadata metadata) {
    return metadata.has(KEY + "tokens") || metadata.has("tokenizer.huggingface.json");
  }

  /** The content of a tokenizer.json. */
  static byte[] json(GgufMetadata metadata) {
    Optional<String> exact = metadata.text("tokenizer.huggingface.json");
    if (exact.isPresent()) {
      return exact.get().getBytes(StandardCharsets.UTF_8);
    }
    return MAPPER.writeValueAsBytes(new GgufTokenizer(metadata).build());
  }

  private ObjectNode build() {
    String model = metadata.text(KEY + "model").orElse("");
    return switch (model) {
      case "gpt2" -> byteLevel();
      case "llama" -> sentencePiece();
      default ->
          throw metadata.unsupported(
              KEY + "model",
              "is '%s'; known are gpt2 and llama; token ids can be used without".formatted(model));
    };
  }

  private ObjectNode byteLevel() {
    GgufPre pre =
        GgufPre.named(metadata.text(KEY + "pre").orElse("default"))
            .orElseThrow(
                () ->
                    metadata.unsupported(
                        KEY + "pre",
                        "is '%s', which is not known; token ids can be used without"
                            .formatted(metadata.text(KEY + "pre").orElse(""))));
    ObjectNode root = root(pre.addsBos());
    if (pre == GgufPre.QWEN2) {
      root.putObject("normalizer").put("type", "NFC");
    }
    preTokenizer(root.putObject("pre_tokenizer"), pre);
    ObjectNode decoder = root.putObject("decoder").put("type", "ByteLevel");
    decoder.put("add_prefix_space", true).put("trim_offsets", true).put("use_regex", true);
    List<String> merges = metadata.texts(KEY + "merges");
    model(root, GgufMerges.stated(metadata, tokens, merges), pre.ignoresMerges(), false);
    return root;
  }

  private static void preTokenizer(ObjectNode sequence, GgufPre pre) {
    ArrayNode steps = sequence.put("type", "Sequence").putArray("pretokenizers");
    if (pre.cutsDigits()) {
      steps.addObject().put("type", "Digits").put("individual_digits", true);
    }
    if (!pre.regex().isEmpty()) {
      ObjectNode split = steps.addObject().put("type", "Split");
      split.putObject("pattern").put("Regex", pre.regex());
      split.put("behavior", "Isolated").put("invert", false);
    }
    ObjectNode bytes = steps.addObject().put("type", "ByteLevel").put("add_prefix_space", false);
    bytes.put("trim_offsets", true).put("use_regex", pre.regex().isEmpty());
  }

  private ObjectNode sentencePiece() {
    ObjectNode root = root(true);
    boolean prefix = metadata.flag(KEY + "add_space_prefix", true);
    ObjectNode normalizer = root.putObject("normalizer").put("type", "Sequence");
    ArrayNode steps = normalizer.putArray("normalizers");
    if (prefix) {
      steps.addObject().put("type", "Prepend").put("prepend", "▁");
    }
    replace(steps.addObject(), " ", "▁");
    root.putNull("pre_tokenizer");
    ArrayNode decoders = root.putObject("decoder").put("type", "Sequence").putArray("decoders");
    replace(decoders.addObject(), "▁", " ");
    decoders.addObject().put("type", "ByteFallback");
    decoders.addObject().put("type", "Fuse");
    if (prefix) {
      ObjectNode strip = decoders.addObject().put("type", "Strip");
      strip.put("content", " ").put("start", 1).put("stop", 0);
    }
    float[] scores = metadata.numbers(KEY + "scores");
    if (scores.length != tokens.size()) {
      throw metadata.problem(
          KEY + "scores", "has %d entries for %d".formatted(scores.length, tokens.size()));
    }
    model(root, GgufMerges.byScore(tokens, scores, this::isText), false, true);
    return root;
  }

  private static void replace(ObjectNode step, String pattern, String content) {
    step.put("type", "Replace").putObject("pattern").put("String", pattern);
    step.put("content", content);
  }

  /** Whether a token can come of merging text: all but control and unknown. */
  private boolean isText(int id) {
    return type(id) != CONTROL && type(id) != UNKNOWN;
  }

  private int type(int id) {
    return types.length == 0 ? 1 : (int) types[id];
  }

  private ObjectNode root(boolean bosByDefault) {
    ObjectNode root = MAPPER.createObjectNode().put("version", "1.0");
    root.putNull("truncation").putNull("padding");
    ArrayNode added = root.putArray("added_tokens");
    for (int id = 0; id < tokens.size(); id++) {
      int type = type(id);
      if (type == UNKNOWN || type == CONTROL || type == USER_DEFINED) {
        ObjectNode token = added.addObject().put("id", id).put("content", tokens.get(id));
        token.put("single_word", false).put("lstrip", false).put("rstrip", false);
        token.put("normalized", false).put("special", type != USER_DEFINED);
      }
    }
    root.putNull("normalizer");
    postProcessor(root, bosByDefault);
    return root;
  }

  private void postProcessor(ObjectNode root, boolean bosByDefault) {
    List<Integer> before = ends("bos", bosByDefault);
    List<Integer> after = ends("eos", false);
    if (before.isEmpty() && after.isEmpty()) {
      root.putNull("post_processor");
      return;
    }
    ObjectNode processor = root.putObject("post_processor").put("type", "TemplateProcessing");
    template(processor.putArray("single"), before, after, "A");
    ArrayNode pair = processor.putArray("pair");
    template(pair, before, after, "A");
    template(pair, before, after, "B");
    ObjectNode special = processor.putObject("special_tokens");
    for (int id : concat(before, after)) {
      ObjectNode token = special.putObject(tokens.get(id)).put("id", tokens.get(id));
      token.putArray("ids").add(id);
      token.putArray("tokens").add(tokens.get(id));
    }
  }

  /** The token that is added at one end of a text, if any. */
  private List<Integer> ends(String kind, boolean fallback) {
    boolean adds = metadata.flag(KEY + "add_" + kind + "_token", fallback);
    int usual = kind.equals("bos") ? 1 : 2; // of SentencePiece models that do not say
    int id =
        metadata
            .integer(KEY + kind + "_token_id", 0, Integer.MAX_VALUE)
            .orElse(metadata.text(KEY + "model").orElse("").equals("llama") ? usual : -1);
    if (!adds || id < 0) {
      return List.of();
    }
    if (id >= tokens.size()) {
      throw metadata.problem(
          KEY + kind + "_token_id", "is %d of %d tokens".formatted(id, tokens.size()));
    }
    return List.of(id);
  }

  private void template(
      ArrayNode template, List<Integer> before, List<Integer> after, String sequence) {
    int type = sequence.equals("A") ? 0 : 1;
    before.forEach(id -> special(template, id, type));
    template.addObject().putObject("Sequence").put("id", sequence).put("type_id", type);
    after.forEach(id -> special(template, id, type));
  }

  private void special(ArrayNode template, int id, int type) {
    ObjectNode token = template.addObject().putObject("SpecialToken");
    token.put("id", tokens.get(id)).put("type_id", type);
  }

  private static List<Integer> concat(List<Integer> a, List<Integer> b) {
    List<Integer> all = new ArrayList<>(a);
    all.addAll(b);
    return all.stream().distinct().toList();
  }

  private void model(
      ObjectNode root, List<GgufMerges.Pair> merges, boolean ignoreMerges, boolean fallback) {
    ObjectNode model = root.putObject("model").put("type", "BPE");
    model.putNull("dropout");
    int unknown = metadata.integer(KEY + "unknown_token_id", 0, tokens.size() - 1).orElse(0);
    if (fallback) {
      model.put("unk_token", tokens.get(unknown));
    } else {
      model.putNull("unk_token");
    }
    model.putNull("continuing_subword_prefix").putNull("end_of_word_suffix");
    model.put("fuse_unk", fallback).put("byte_fallback", fallback);
    model.put("ignore_merges", ignoreMerges);
    ObjectNode vocab = model.putObject("vocab");
    for (int id = 0; id < tokens.size(); id++) {
      vocab.putIfAbsent(tokens.get(id), vocab.numberNode(id)); // of equal pieces the first counts
    }
    ArrayNode list = model.putArray("merges");
    merges.forEach(pair -> list.addArray().add(pair.left()).add(pair.right()));
  }
}
