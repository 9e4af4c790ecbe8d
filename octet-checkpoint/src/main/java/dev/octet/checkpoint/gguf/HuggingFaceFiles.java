package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.ModelConfigJson;
import dev.octet.checkpoint.internal.Texts;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** What stands beside the weights in a model directory, made of a GGUF file's metadata. */
public final class HuggingFaceFiles {
  private HuggingFaceFiles() {}

  /**
   * Writes config.json, and tokenizer.json and the chat template where the file holds them.
   *
   * @return what the file does not hold, for the user to know
   * @throws CheckpointException if config.json cannot describe the model
   */
  public static Optional<String> write(GgufCheckpoint model, Path folder) {
    GgufMetadata metadata = model.file().metadata();
    try {
      Files.write(folder.resolve("config.json"), ModelConfigJson.of(model.config()));
      Optional<String> tokenizer = metadata.text("tokenizer.huggingface.json");
      if (tokenizer.isPresent()) {
        Files.writeString(
            folder.resolve("tokenizer.json"), tokenizer.get(), StandardCharsets.UTF_8);
      }
      Optional<String> template = metadata.text("tokenizer.chat_template");
      if (template.isPresent()) {
        Files.writeString(
            folder.resolve("chat_template.jinja"), template.get(), StandardCharsets.UTF_8);
      }
      return tokenizer.isPresent()
          ? Optional.empty()
          : Optional.of(
              "the file has no tokenizer.huggingface.json: copy the original model's tokenizer.json"
                  + " beside the result");
    } catch (IOException e) {
      throw new CheckpointException(folder + ": cannot be written: " + Texts.reason(e), e);
    }
  }
}
