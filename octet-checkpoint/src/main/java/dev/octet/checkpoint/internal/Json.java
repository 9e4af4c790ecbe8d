package dev.octet.checkpoint.internal;

import dev.octet.checkpoint.CheckpointException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.databind.util.ByteBufferBackedInputStream;

/**
 * JSON from strangers: valid UTF-8, no duplicate keys (two parsers must not see two documents),
 * bounded depth, nothing after the document.
 */
public final class Json {
  /** The most bytes a configuration or index file may have. */
  public static final long MAX_FILE = 100_000_000;

  private static final Pattern NO_NUMBER =
      Pattern.compile("\"([^\"\\\\]{1,200})\"\\s*:\\s*[-+]?(?:NaN|INF|Infinity)\\b");

  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(64)
                  .maxNameLength(16_384)
                  .maxStringLength(10_000_000)
                  .maxNumberLength(100)
                  .build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build();

  /** Reads and writes trees under the rules above. */
  public static final JsonMapper MAPPER =
      JsonMapper.builder(FACTORY).enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

  private Json() {}

  /** A pull parser over UTF-8 bytes, which are decoded piece by piece as it goes. */
  public static JsonParser parser(ByteBuffer bytes) {
    return FACTORY.createParser(ObjectReadContext.empty(), reader(bytes));
  }

  /** The parser's own decoder would guess the encoding and let some invalid UTF-8 pass. */
  private static Reader reader(ByteBuffer bytes) {
    return new InputStreamReader(new ByteBufferBackedInputStream(bytes), decoder());
  }

  private static CharsetDecoder decoder() {
    return StandardCharsets.UTF_8
        .newDecoder()
        .onMalformedInput(CodingErrorAction.REPORT)
        .onUnmappableCharacter(CodingErrorAction.REPORT);
  }

  /** Decodes UTF-8 and refuses what is none. */
  public static String utf8(ByteBuffer bytes, String where) {
    try {
      return decoder().decode(bytes).toString();
    } catch (CharacterCodingException e) {
      throw new CheckpointException(where + ": not valid UTF-8", e);
    }
  }

  /** The object a file holds. */
  public static ObjectNode readObject(Path file) {
    byte[] bytes;
    try {
      if (!Files.isRegularFile(file)) {
        throw new CheckpointException(
            file + ": " + (Files.exists(file) ? "not a regular file" : "no such file"));
      }
      if (Files.size(file) > MAX_FILE) {
        throw new CheckpointException(
            "%s: %d bytes of JSON, at most %d are read"
                .formatted(file, Files.size(file), MAX_FILE));
      }
      bytes = Files.readAllBytes(file);
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read: " + Texts.reason(e), e);
    }
    JsonNode node;
    try {
      node = MAPPER.readTree(reader(ByteBuffer.wrap(bytes)));
    } catch (JacksonException e) {
      throw new CheckpointException(file + ": " + problem(e) + field(bytes, e), e);
    }
    if (!(node instanceof ObjectNode object)) {
      throw new CheckpointException(file + ": must hold a JSON object");
    }
    return object;
  }

  /** Which field holds what Python writes and JSON does not have; empty for another problem. */
  private static String field(byte[] bytes, JacksonException e) {
    if (!isNoNumber(e)) {
      return "";
    }
    long at = e.getLocation() == null ? -1 : e.getLocation().getCharOffset();
    Matcher field = NO_NUMBER.matcher(new String(bytes, StandardCharsets.UTF_8));
    while (field.find()) {
      if (field.start() < at && at <= field.end() + 1) {
        return ": field '" + Texts.printable(field.group(1)) + "'";
      }
    }
    return "";
  }

  private static boolean isNoNumber(JacksonException e) {
    String message = e.getOriginalMessage();
    return message != null && message.startsWith("Non-standard token");
  }

  /** What the parser says is wrong and where, on one line: {@code not valid …}. */
  public static String problem(JacksonException e) {
    if (e.getCause() instanceof CharacterCodingException) {
      return "not valid UTF-8";
    }
    String message = e.getOriginalMessage();
    String text =
        "not valid JSON: "
            + (message == null ? e.getClass().getSimpleName() : Texts.printable(plain(message)));
    return e.getLocation() == null
        ? text
        : text
            + " (line "
            + e.getLocation().getLineNr()
            + ", column "
            + e.getLocation().getColumnNr()
            + ")";
  }

  /** Without the parser's hints for programmers. */
  private static String plain(String message) {
    return message
        .replaceAll(
            "^Non-standard token '([^']*)'.*", "$1 is no number of JSON, write a finite one")
        .replaceAll(" \\(start marker at \\[Source.*", "")
        .replaceAll(", from `[^`]*`", "");
  }
}
