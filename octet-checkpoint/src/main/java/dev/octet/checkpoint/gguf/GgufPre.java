package dev.octet.checkpoint.gguf;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * How text is cut before byte-level byte-pair encoding, by {@code tokenizer.ggml.pre}. The
 * expressions are those of the models' own tokenizer.json; a name that is not known is better
 * refused than cut wrongly.
 */
public enum GgufPre {
  /** GPT-2's, which Hugging Face's ByteLevel has built in. */
  GPT2("gpt-2", " default phi-2 mpt olmo ", ""),
  /** GPT-2's after every digit by itself. */
  DIGITS("smollm", " starcoder refact command-r ", ""),
  LLAMA3(
      "llama-bpe",
      " llama3 llama-v3 falcon3 ",
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
  QWEN2(
      "qwen2",
      " deepseek-r1-qwen ",
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
  TEKKEN(
      "tekken",
      "",
      "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
          + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
          + "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");

  private final String label;
  private final String aliases;
  private final String regex;

  /**
   * @param aliases further names, with a space on both sides of each
   */
  GgufPre(String label, String aliases, String regex) {
    this.label = label;
    this.aliases = aliases;
    this.regex = regex;
  }

  /** What the metadata names, if it is known. */
  public static Optional<GgufPre> named(String name) {
    return Arrays.stream(values())
        .filter(p -> p.label.equals(name) || p.aliases.contains(" " + name + " "))
        .findFirst();
  }

  /** The name of what a tokenizer.json does, if there is one. */
  static Optional<String> of(ObjectNode tokenizer) {
    JsonNode pre = tokenizer.path("pre_tokenizer");
    List<JsonNode> steps = new ArrayList<>();
    (pre.path("type").asString("").equals("Sequence") ? pre.path("pretokenizers") : List.of(pre))
        .forEach(steps::add);
    return Arrays.stream(values()).filter(p -> p.matches(steps)).map(p -> p.label).findFirst();
  }

  private boolean matches(List<JsonNode> steps) {
    JsonNode last = steps.getLast();
    boolean bytes = last.path("type").asString("").equals("ByteLevel");
    if (!bytes || last.path("use_regex").asBoolean(true) != regex.isEmpty()) {
      return false;
    }
    JsonNode first = steps.getFirst();
    return switch (this) {
      case GPT2 -> steps.size() == 1;
      case DIGITS -> steps.size() == 2 && first.path("individual_digits").asBoolean(false);
      default ->
          steps.size() == 2 && first.path("pattern").path("Regex").asString("").equals(regex);
    };
  }

  /** Whether a text begins with the beginning-of-text token where the file does not say. */
  public boolean addsBos() {
    return this == LLAMA3;
  }

  /** Whether a piece of text that is a token is that token, however it would merge. */
  public boolean ignoresMerges() {
    return this == LLAMA3 || this == TEKKEN;
  }

  /** The expression that cuts; empty: GPT-2's. */
  public String regex() {
    return regex;
  }

  /** Whether every digit is cut off by itself first. */
  public boolean cutsDigits() {
    return this == DIGITS;
  }
}
