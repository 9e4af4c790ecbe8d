package dev.octet.quantize.sensitivity;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.kernels.Kernels;
import dev.octet.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/** Tells whether two runs would measure the same: SHA-256 over all that decides it. */
public final class Fingerprint {
  /** Bytes of a tensor's begin, middle and end: all of it would be all of the model. */
  private static final int PROBE = 64;

  private final MessageDigest digest;

  Fingerprint() {
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every JDK has it
    }
  }

  /**
   * Of measurements on a model.
   *
   * @param model its settings, the names and shapes of its tensors and some of their bytes count
   * @param sequences token ids
   * @param kernels provider, instruction set and products count, which round differently
   */
  public static String of(Checkpoint model, List<int[]> sequences, Kernels kernels) {
    Fingerprint all = new Fingerprint();
    all.add(model.format());
    all.add(model.config());
    model
        .tensors()
        .forEach(
            (name, tensor) -> {
              all.add(name);
              all.add(tensor);
              all.probe(tensor);
            });
    for (int[] sequence : sequences) {
      ByteBuffer ids = ByteBuffer.allocate(4 * sequence.length);
      ids.asIntBuffer().put(sequence);
      all.digest.update(ids);
      all.add(sequence.length);
    }
    all.add(kernels.name());
    all.add(kernels.isa());
    all.add(kernels.products());
    return all.text();
  }

  void add(Object word) {
    digest.update((word + "\n").getBytes(StandardCharsets.UTF_8));
  }

  private void probe(Tensor tensor) {
    long size = tensor.segment().byteSize();
    int length = (int) Math.min(PROBE, size);
    for (long at : new long[] {0, (size - length) / 2, size - length}) {
      digest.update(tensor.segment().asSlice(at, length).toArray(ValueLayout.JAVA_BYTE));
    }
  }

  String text() {
    return HexFormat.of().formatHex(digest.digest());
  }
}
