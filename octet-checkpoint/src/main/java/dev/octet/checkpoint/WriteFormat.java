package dev.octet.checkpoint;

import dev.octet.checkpoint.ascend.AscendStore;
import dev.octet.checkpoint.awq.AwqStore;
import dev.octet.checkpoint.compressedtensors.CompressedTensorsStore;
import dev.octet.checkpoint.fp8.Fp8BlockStore;
import dev.octet.checkpoint.gptq.GptqStore;
import dev.octet.checkpoint.internal.DenseStore;
import dev.octet.checkpoint.internal.LayerStore;
import dev.octet.tensor.ActivationQuant.Clipped;
import dev.octet.tensor.InputMatrix.Hadamard;
import dev.octet.tensor.InputMatrix.Kronecker;
import dev.octet.tensor.LinearWeights;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The formats that quantized checkpoints are written in. */
public enum WriteFormat {
  /** INT8, INT4, FP8 and FP4 with every kind of activation, mixed at will. */
  COMPRESSED_TENSORS("compressed-tensors"),
  /** INT4 and INT8 weights, also act-order, by GPTQ's second convention. */
  GPTQ("gptq"),
  /** INT4 weights in groups of one size, in the GEMM layout. */
  AWQ("awq"),
  /** E4M3 weights in blocks, inputs quantized block by block, as DeepSeek's. */
  FP8("fp8"),
  /** What MindIE and vllm-ascend read: INT8, INT4 weights, FP8 with dynamic inputs. */
  ASCEND("ascend"),
  /** No quantization at all: what a quantized checkpoint stands for. */
  DENSE("dense");

  private final String label;

  WriteFormat(String label) {
    this.label = label;
  }

  /** As it is spelled in {@code quant_method}, if there is one. */
  public String label() {
    return label;
  }

  /**
   * The format of that name, in any case.
   *
   * @throws IllegalArgumentException for another name, listing the known ones
   */
  public static WriteFormat of(String name) {
    return Arrays.stream(values())
        .filter(f -> f.label.equals(name.toLowerCase(Locale.ROOT)))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "unknown format '%s'; choose one of %s".formatted(name, names())));
  }

  private static String names() {
    return Arrays.stream(values()).map(WriteFormat::label).collect(Collectors.joining(", "));
  }

  LayerStore store() {
    return switch (this) {
      case COMPRESSED_TENSORS -> new CompressedTensorsStore();
      case GPTQ -> new GptqStore();
      case AWQ -> new AwqStore();
      case FP8 -> new Fp8BlockStore();
      case ASCEND -> new AscendStore();
      case DENSE -> new DenseStore();
    };
  }

  /** Refuses layers of which something happens to the inputs that no reader would do. */
  void requireSaidInputs(String module, LinearWeights layer) {
    if (layer.inputMatrix() instanceof Hadamard) {
      require(COMPRESSED_TENSORS, module, "turns its input while it runs");
    }
    if (layer.inputMatrix() instanceof Kronecker matrix) {
      require(ASCEND, module, "multiplies its input by %s while it runs".formatted(matrix.label()));
    }
    if (layer.lowRank() != null) {
      require(ASCEND, module, "has a product of low rank beside it");
    }
    if (layer.activation() instanceof Clipped) {
      require(ASCEND, module, "clips its input before quantizing it");
    }
  }

  private void require(WriteFormat able, String module, String what) {
    if (this != able) {
      throw new CheckpointException(
          "%s: %s, which only %s can say, not %s".formatted(module, what, able.label, label));
    }
  }
}
