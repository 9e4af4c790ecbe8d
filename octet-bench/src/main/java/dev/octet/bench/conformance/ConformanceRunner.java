package dev.octet.bench.conformance;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.UnsupportedCheckpointException;
import dev.octet.kernels.Kernels;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Runs conformance cases on one provider. It never throws because of a case: whatever happens is
 * the case's result.
 */
public final class ConformanceRunner {
  private final Kernels kernels;
  private final Opener opener;

  /**
   * @param kernels the provider under test; the caller closes it
   */
  public ConformanceRunner(Kernels kernels) {
    this.kernels = kernels;
    this.opener = new Opener(kernels);
  }

  /** Runs the case in {@code directory}. */
  public CaseResult run(Path directory) {
    long start = System.nanoTime();
    return outcome(directory).took((System.nanoTime() - start) / 1e6);
  }

  private CaseResult outcome(Path directory) {
    String id = String.valueOf(directory.getFileName());
    ConformanceCase c = new UnknownCase(id, "?", "");
    try {
      if (!Files.isRegularFile(directory.resolve("case.json"))) {
        return CaseResult.fail(c, directory.resolve("case.json") + ": no such file");
      }
      c = CaseReader.read(directory);
      return run(c);
    } catch (UnsupportedCheckpointException e) {
      return CaseResult.skip(c, message(e).replace(directory + File.separator, ""));
    } catch (CaseException | CheckpointException e) {
      return CaseResult.fail(c, message(e));
    } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
      return CaseResult.fail(c, "raised " + e + at(e));
    }
  }

  private CaseResult run(ConformanceCase c) {
    return switch (c) {
      case ModelCase m -> new ModelCheck(kernels).run(m);
      case AttentionCase a -> new AttentionCheck(kernels.attention()).run(a);
      case CodecCase d -> CodecCheck.run(d);
      case MalformedCase m -> new MalformedCheck(opener).run(m);
      case AcceptCase a -> new AcceptCheck(opener).run(a);
      case UnknownCase u -> CaseResult.skip(u, u.reason());
    };
  }

  private static String message(RuntimeException e) {
    return String.valueOf(e.getMessage());
  }

  private static String at(Throwable e) {
    return e.getStackTrace().length == 0 ? "" : " at " + e.getStackTrace()[0];
  }
}
