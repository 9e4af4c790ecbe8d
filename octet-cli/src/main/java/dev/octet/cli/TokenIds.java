package dev.octet.cli;

import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Token ids given on the command line: {@code 1,2,3} or a safetensors file. */
final class TokenIds {
  private static final String TENSOR = "input_ids";

  private TokenIds() {}

  /**
   * The ids that {@code text} lists, or that the file of that name holds in its tensor {@code
   * input_ids} or its only integer tensor.
   *
   * @throws CliException if it is neither, or there is no id
   */
  static int[] parse(String text) {
    if (text.matches("[\\s\\d,+-]*")
        && text.chars().anyMatch(Character::isDigit)
        && !isFile(text)) {
      return list(text);
    }
    if (!isFile(text)) {
      throw new CliException(
          "--ids '%s': neither numbers like 1,2,3 nor a safetensors file that is there"
              .formatted(text));
    }
    return read(Path.of(text));
  }

  /**
   * Refuses ids outside a vocabulary.
   *
   * @throws CliException naming the first one and where it is
   */
  static void requireWithin(int[] ids, int vocabulary) {
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0 || ids[i] >= vocabulary) {
        throw new CliException(
            "token id %d at position %d is outside the vocabulary of %d"
                .formatted(ids[i], i, vocabulary));
      }
    }
  }

  private static boolean isFile(String text) {
    try {
      return Files.isRegularFile(Path.of(text));
    } catch (InvalidPathException _) {
      return false;
    }
  }

  private static int[] list(String text) {
    String[] parts = text.strip().split("\\s*,\\s*|\\s+", -1);
    int[] ids = new int[parts.length];
    for (int i = 0; i < ids.length; i++) {
      try {
        ids[i] = Integer.parseInt(parts[i]);
      } catch (NumberFormatException e) {
        throw new CliException("--ids: '" + parts[i] + "' is no token id", e);
      }
    }
    return ids;
  }

  private static int[] read(Path file) {
    try (SafetensorsFile tensors = SafetensorsFile.open(file)) {
      Tensor tensor = tensors.tensors().get(TENSOR);
      if (tensor == null) {
        tensor = onlyIntegers(file, tensors.tensors());
      }
      if (!isInteger(tensor.dtype()) || tensor.size() != tensor.columns()) {
        throw new CliException(file + ": token ids must be one row of integers, not " + tensor);
      }
      if (tensor.size() == 0 || tensor.size() > Integer.MAX_VALUE - 8) {
        throw new CliException(file + ": " + tensor.size() + " token ids");
      }
      int[] ids = new int[(int) tensor.size()];
      for (int i = 0; i < ids.length; i++) {
        long id = tensor.getLong(i);
        if (id != (int) id) {
          throw new CliException(file + ": token id " + id + " at position " + i);
        }
        ids[i] = (int) id;
      }
      return ids;
    }
  }

  private static Tensor onlyIntegers(Path file, Map<String, Tensor> tensors) {
    List<Tensor> integers = tensors.values().stream().filter(t -> isInteger(t.dtype())).toList();
    if (integers.size() != 1) {
      throw new CliException(
          "%s: no tensor '%s', and %d integer tensors to choose from"
              .formatted(file, TENSOR, integers.size()));
    }
    return integers.getFirst();
  }

  private static boolean isInteger(DType type) {
    return switch (type) {
      case I8, U8, I16, U16, I32, U32, I64 -> true;
      default -> false;
    };
  }
}
