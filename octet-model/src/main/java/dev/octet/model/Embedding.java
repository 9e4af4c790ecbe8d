package dev.octet.model;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.Tensor;

/**
 * The token embedding, looked up in the type it is stored in: only the rows asked for are decoded.
 *
 * @param table [vocab, hidden]
 */
record Embedding(Tensor table) {
  private static final String NAME = "model.embed_tokens.weight";

  static Embedding load(WeightSource source) {
    ModelConfig config = source.config();
    Tensor table = source.tensor(NAME);
    if (!table.hasShape(config.vocabSize(), config.hiddenSize()) || !table.dtype().isWideFloat()) {
      throw new IllegalArgumentException(
          "%s is %s, expected F32, F16 or BF16 [%d, %d]"
              .formatted(NAME, table, config.vocabSize(), config.hiddenSize()));
    }
    return new Embedding(table);
  }

  /**
   * @param out F32 [ids.length, hidden]
   */
  void lookUp(int[] ids, Tensor out) {
    long width = table.columns();
    for (int i = 0; i < ids.length; i++) {
      for (long j = 0; j < width; j++) {
        out.setFloat(i * width + j, table.getFloat(ids[i] * width + j));
      }
    }
  }
}
