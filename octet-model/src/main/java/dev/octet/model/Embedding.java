package dev.octet.model;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The token embedding, looked up in the type it is stored in: only the rows asked for are decoded.
 *
 * @param table [vocab, hidden]
 */
record Embedding(RowTable table) {
  static Embedding load(WeightSource source) {
    ModelConfig config = source.config();
    RowTable table = source.embedding();
    if (table.rows() != config.vocabSize() || table.columns() != config.hiddenSize()) {
      throw new IllegalArgumentException(
          "the embedding is [%d, %d], the config asks for [%d, %d]"
              .formatted(table.rows(), table.columns(), config.vocabSize(), config.hiddenSize()));
    }
    return new Embedding(table);
  }

  /**
   * Looks up without kernels, which look up themselves: {@link dev.octet.kernels.Kernels#lookUp}.
   *
   * @param out F32 [ids.length, hidden]
   */
  void lookUp(int[] ids, Tensor out) {
    int width = Math.toIntExact(table.columns());
    float[] row = new float[width];
    for (int i = 0; i < ids.length; i++) {
      table.dequantizeRow(ids[i], row);
      long at = (long) i * width * Float.BYTES;
      MemorySegment.copy(row, 0, out.segment(), ValueLayout.JAVA_FLOAT_UNALIGNED, at, width);
    }
  }
}
