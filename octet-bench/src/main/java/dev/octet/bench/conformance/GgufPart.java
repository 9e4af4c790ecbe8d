package dev.octet.bench.conformance;

import dev.octet.checkpoint.gguf.GgufBlocks;
import dev.octet.checkpoint.gguf.GgufType;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Blocks of GGUF, decoded: {@code TYPE.blocks} U8 [n, bytes] to {@code TYPE.values} F32. */
final class GgufPart {
  /** What the suite allows, of the largest value of a block: two or three F32 roundings. */
  private static final double TOLERANCE = 1e-6;

  private GgufPart() {}

  static List<CodecPart> all() {
    return Arrays.stream(GgufType.values())
        .filter(GgufBlocks::readable)
        .map(GgufPart::decode)
        .toList();
  }

  private static CodecPart decode(GgufType type) {
    String blocks = type + ".blocks";
    String values = type + ".values";
    return new CodecPart(
        "decode " + type,
        values,
        Set.of(blocks, values),
        file -> {
          int[] stored = file.getInts(blocks, -1, type.blockBytes());
          byte[] bytes = new byte[stored.length];
          for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) stored[i];
          }
          int size = type.blockElements();
          int count = bytes.length / type.blockBytes();
          float[] want = file.getFloats(values, count, size);
          float[] got = new float[want.length];
          GgufBlocks.decode(type, bytes, got);
          return compare(got, want, size);
        });
  }

  private static Optional<String> compare(float[] got, float[] want, int size) {
    for (int from = 0; from < want.length; from += size) {
      double most = 0;
      for (int i = from; i < from + size; i++) {
        most = Math.max(most, Math.abs(want[i]));
      }
      for (int i = from; i < from + size; i++) {
        if (!(Math.abs((double) got[i] - want[i]) <= TOLERANCE * most)) {
          return Optional.of(
              "element %d of block %d is %s, not %s"
                  .formatted(i - from, from / size, got[i], want[i]));
        }
      }
    }
    return Optional.empty();
  }
}
