package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.UnsupportedCheckpointException;
import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.Texts;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * {@code quant_model_description*.json}: a flat object that maps every stored tensor to its tag,
 * among a few settings. First-generation files have no version, and store four-bit codes one a
 * byte.
 */
public final class Description {
  private static final Pattern VERSION = Pattern.compile("[1-9]\\d*\\.\\d+\\.\\d+");
  private static final int MAX_GROUP = 1 << 20;

  private final Path file;
  private final Fields fields;
  private final boolean versioned;

  /**
   * Reads a description.
   *
   * @throws CheckpointException if it is no JSON object, or its version does not parse
   */
  public Description(Path file) {
    this.file = file;
    this.fields = Fields.of(file.toString(), Json.readObject(file));
    Optional<String> version = fields.text("version");
    version.ifPresent(this::requireVersion);
    this.versioned = version.isPresent();
  }

  private void requireVersion(String version) {
    if (!VERSION.matcher(version).matches()) {
      throw fields.problem("version", "is " + Texts.quote(version) + ", not like '1.0.0'");
    }
  }

  /** The file's name. */
  String fileName() {
    return String.valueOf(file.getFileName());
  }

  /** Whether the files are of the later generation. */
  boolean versioned() {
    return versioned;
  }

  /** Columns that share a scale where scales are grouped; 0 if the description does not say. */
  int groupSize() {
    return groupSize(fields);
  }

  /** {@code group_size}, which some tools write as a string. */
  public static int groupSize(Fields settings) {
    String raw = settings.raw("group_size").replace("\"", "");
    if (raw.matches("\\d{1,7}") && Integer.parseInt(raw) <= MAX_GROUP) {
      return Integer.parseInt(raw);
    }
    if (!settings.has("group_size") || raw.equals("-1")) {
      return 0;
    }
    throw settings.problem("group_size", "must be an integer from 0 to " + MAX_GROUP);
  }

  /** A setting that is a text, whatever its key. */
  Optional<String> text(String key) {
    return fields.text(key);
  }

  boolean describes(String tensor) {
    return fields.has(tensor);
  }

  /**
   * The tag of a tensor.
   *
   * @throws CheckpointException if it has none, or one that no tool writes
   */
  Tag tag(String tensor) {
    String label = fields.requireText(tensor);
    return Tag.of(label)
        .orElseThrow(
            () -> fields.problem(tensor, "names the unknown quantization " + Texts.quote(label)));
  }

  CheckpointException problem(String key, String what) {
    return fields.problem(key, what);
  }

  UnsupportedCheckpointException unsupported(String key, String what) {
    return fields.unsupported(key, what);
  }
}
