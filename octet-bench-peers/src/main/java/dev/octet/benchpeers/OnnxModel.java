package dev.octet.benchpeers;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.Map;

/**
 * An ONNX model of one node of ONNX Runtime's own operators. Field numbers are those of onnx.proto3
 * (github.com/onnx/onnx), opset 21 and version 1 of {@code com.microsoft}.
 */
final class OnnxModel {
  private static final int IR_VERSION = 10;
  private static final int OPSET = 21;
  private static final String DOMAIN = "com.microsoft";

  private static final int ATTRIBUTE_FLOAT = 1;
  private static final int ATTRIBUTE_INT = 2;
  private static final int ATTRIBUTE_STRING = 3;

  private final Protobuf graph = new Protobuf();

  /**
   * @param inputs names in the operator's order, empty for one that is left out
   * @param attributes Long, Float or String
   */
  OnnxModel(
      String operator, List<String> inputs, List<String> outputs, Map<String, Object> attributes) {
    Protobuf node = new Protobuf();
    inputs.forEach(name -> node.text(1, name));
    outputs.forEach(name -> node.text(2, name));
    node.text(4, operator);
    attributes.forEach((name, value) -> node.message(5, attribute(name, value)));
    node.text(7, DOMAIN);
    graph.message(1, node).text(2, operator);
  }

  private static Protobuf attribute(String name, Object value) {
    Protobuf attribute = new Protobuf().text(1, name);
    return switch (value) {
      case Float f -> attribute.float32(2, f).integer(20, ATTRIBUTE_FLOAT);
      case Long i -> attribute.integer(3, i).integer(20, ATTRIBUTE_INT);
      case String s -> attribute.text(4, s).integer(20, ATTRIBUTE_STRING);
      default -> throw new IllegalArgumentException(name + " = " + value);
    };
  }

  OnnxModel input(String name, DType type, long... shape) {
    graph.message(11, value(name, type, shape));
    return this;
  }

  OnnxModel output(String name, DType type, long... shape) {
    graph.message(12, value(name, type, shape));
    return this;
  }

  /** A constant, which ONNX Runtime may pack into a layout of its own. */
  OnnxModel constant(String name, Tensor tensor) {
    Protobuf constant = new Protobuf();
    for (long length : tensor.shape()) {
      constant.integer(1, length);
    }
    graph.message(
        5, constant.integer(2, type(tensor.dtype())).text(8, name).memory(9, tensor.segment()));
    return this;
  }

  private static Protobuf value(String name, DType type, long... shape) {
    Protobuf dimensions = new Protobuf();
    for (long length : shape) {
      dimensions.message(1, new Protobuf().integer(1, length));
    }
    Protobuf tensor = new Protobuf().integer(1, type(type)).message(2, dimensions);
    return new Protobuf().text(1, name).message(2, new Protobuf().message(1, tensor));
  }

  private static int type(DType type) {
    return switch (type) {
      case F32 -> 1;
      case U8 -> 2;
      case I8 -> 3;
      case I32 -> 6;
      default -> throw new IllegalArgumentException(type + " in an ONNX model");
    };
  }

  byte[] toBytes() {
    return new Protobuf()
        .integer(1, IR_VERSION)
        .message(7, graph)
        .message(8, new Protobuf().text(1, "").integer(2, OPSET))
        .message(8, new Protobuf().text(1, DOMAIN).integer(2, 1))
        .toBytes();
  }
}
