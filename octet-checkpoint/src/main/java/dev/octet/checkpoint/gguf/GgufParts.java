package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.internal.Texts;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Finds the files of a model: one, or parts {@code name-00001-of-00003.gguf} of it. */
public final class GgufParts {
  private static final Pattern PART = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.gguf");

  private GgufParts() {}

  /**
   * The file of a model: {@code path} itself, or the one that lies in it if it is a directory.
   *
   * @throws CheckpointException if a directory holds none, or those of several models
   */
  public static Path of(Path path) {
    if (!Files.isDirectory(path)) {
      return path;
    }
    TreeSet<Path> models = new TreeSet<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(path, "*.gguf")) {
      for (Path file : files) {
        Matcher part = PART.matcher(name(file));
        boolean other = part.matches() && !part.group(2).equals("00001");
        // The part of a multimodal model that sees: it is no language model.
        if (!other && !name(file).startsWith("mmproj")) {
          models.add(file);
        }
      }
    } catch (IOException e) {
      throw new CheckpointException(path + ": cannot be read: " + Texts.reason(e), e);
    }
    if (models.size() != 1) {
      throw new CheckpointException(
          models.isEmpty()
              ? path + ": holds no GGUF file"
              : "%s: holds %d GGUF models; name one, for instance %s"
                  .formatted(path, models.size(), models.getFirst()));
    }
    return models.getFirst();
  }

  /** Whether a directory holds GGUF files. */
  public static boolean in(Path directory) {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, "*.gguf")) {
      return files.iterator().hasNext();
    } catch (IOException e) {
      throw new CheckpointException(directory + ": cannot be read: " + Texts.reason(e), e);
    }
  }

  /** All parts of the model that {@code file} is one of, in order. */
  public static List<Path> all(Path file) {
    Matcher part = PART.matcher(name(file));
    if (!part.matches()) {
      return List.of(file);
    }
    int count = Integer.parseInt(part.group(3));
    List<Path> parts = new ArrayList<>();
    for (int i = 1; i <= count; i++) {
      Path each =
          file.resolveSibling("%s-%05d-of-%s.gguf".formatted(part.group(1), i, part.group(3)));
      if (!Files.exists(each)) {
        throw new CheckpointException(
            "%s: part %d of %d, %s, is missing".formatted(file, i, count, name(each)));
      }
      parts.add(each);
    }
    return parts.isEmpty() ? List.of(file) : parts;
  }

  private static String name(Path file) {
    return String.valueOf(file.getFileName());
  }
}
