package dev.octet.benchpeers;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.OrtSession.SessionOptions;
import dev.octet.bench.peer.PeerException;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;

/** A model of one node, its inputs and outputs bound to memory of ours: a run allocates nothing. */
final class OnnxNode implements AutoCloseable {
  private final OrtEnvironment runtime;
  private final OrtSession session;
  private final Map<String, OnnxTensor> inputs = new HashMap<>();
  private final Map<String, OnnxTensor> outputs = new HashMap<>();

  OnnxNode(OrtEnvironment runtime, OnnxModel model) {
    this.runtime = runtime;
    try (SessionOptions options = new SessionOptions()) {
      options.disablePerSessionThreads();
      this.session = runtime.createSession(model.toBytes(), options);
    } catch (OrtException e) {
      throw failure(e);
    }
  }

  OnnxNode input(String name, Tensor tensor) {
    inputs.put(name, wrap(tensor));
    return this;
  }

  OnnxNode output(String name, Tensor tensor) {
    outputs.put(name, wrap(tensor));
    return this;
  }

  /** The same memory: the runtime takes the address of a direct buffer. */
  private OnnxTensor wrap(Tensor tensor) {
    OnnxJavaType type =
        switch (tensor.dtype()) {
          case F32 -> OnnxJavaType.FLOAT;
          case I8 -> OnnxJavaType.INT8;
          case I32 -> OnnxJavaType.INT32;
          default -> throw new IllegalArgumentException(tensor.toString());
        };
    try {
      return OnnxTensor.createTensor(
          runtime, tensor.segment().asByteBuffer(), tensor.shape(), type);
    } catch (OrtException e) {
      throw failure(e);
    }
  }

  void run() {
    try (OrtSession.Result _ = session.run(inputs, outputs)) {
      // The results are where the outputs were bound.
    } catch (OrtException e) {
      throw failure(e);
    }
  }

  private static PeerException failure(OrtException e) {
    return new PeerException(
        "onnxruntime refuses: " + String.valueOf(e.getMessage()).lines().findFirst().orElse(""), e);
  }

  /** One number of an integer input. */
  static Tensor integer(Arena arena, int value, long... shape) {
    Tensor tensor = Tensor.allocate(arena, DType.I32, shape);
    tensor.segment().set(ValueLayout.JAVA_INT, 0, value);
    return tensor;
  }

  @Override
  public void close() {
    inputs.values().forEach(OnnxTensor::close);
    outputs.values().forEach(OnnxTensor::close);
    try {
      session.close();
    } catch (OrtException e) {
      throw failure(e);
    }
  }
}
