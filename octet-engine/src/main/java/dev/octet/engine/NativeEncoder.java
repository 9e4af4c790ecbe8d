package dev.octet.engine;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.octet.checkpoint.CheckpointException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/**
 * Hugging Face's tokenizer library through DJL. Its initialisers look for a GPU to fetch a CUDA
 * build, report usage, and log; the properties that forbid all three must be set before its first
 * class is touched, which is here and nowhere else. Properties that the user has set stay as they
 * are, except the ban on downloads.
 */
final class NativeEncoder implements AutoCloseable {
  private final HuggingFaceTokenizer tokenizer;

  private NativeEncoder(HuggingFaceTokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /**
   * Loads a tokenizer.
   *
   * @param file where it comes from, for messages
   * @param json content of a tokenizer.json
   */
  static NativeEncoder open(Path file, byte[] json) {
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("OPT_OUT_TRACKING", "true");
    setUnlessSet("RUST_FLAVOR", "cpu");
    // SLF4J tells everyone on standard error that no logger is bound; a bound one is used.
    setUnlessSet("slf4j.internal.verbosity", "ERROR");
    try {
      return new NativeEncoder(
          HuggingFaceTokenizer.newInstance(
              new ByteArrayInputStream(json), Map.of("truncation", "false", "padding", "false")));
    } catch (LinkageError | IllegalStateException e) {
      throw new IllegalStateException(
          "the Hugging Face tokenizer library cannot be loaded on %s %s: %s; there are builds for"
                  .formatted(
                      System.getProperty("os.name"), System.getProperty("os.arch"), rootMessage(e))
              + " Linux (glibc) and macOS on aarch64, Linux (glibc) and Windows on x86_64",
          e);
    } catch (IOException | RuntimeException e) {
      throw new CheckpointException(
          file + ": Hugging Face's tokenizer library refuses it: " + rootMessage(e), e);
    }
  }

  private static void setUnlessSet(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }

  private static String rootMessage(Throwable e) {
    Throwable root = e;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return String.valueOf(root.getMessage());
  }

  int[] encode(String text, boolean addSpecialTokens) {
    long[] ids = tokenizer.encode(text, addSpecialTokens, false).getIds();
    int[] out = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      out[i] = Math.toIntExact(ids[i]);
    }
    return out;
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
