package dev.octet.benchpeers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.bench.peer.PeerException;
import dev.octet.tensor.DType;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class OnnxModelTest {
  private static String hex(Protobuf message) {
    return HexFormat.of().formatHex(message.toBytes());
  }

  /** The examples of protobuf's own description of its encoding, and the widest numbers. */
  @Test
  void fieldsAreEncodedAsProtobufDescribes() {
    assertThat(hex(new Protobuf().integer(1, 150))).isEqualTo("089601");
    assertThat(hex(new Protobuf().text(2, "testing"))).isEqualTo("120774657374696e67");
    assertThat(hex(new Protobuf().message(3, new Protobuf().integer(1, 150))))
        .isEqualTo("1a03089601");
    assertThat(hex(new Protobuf().integer(1, -2))).isEqualTo("08feffffffffffffffff01");
    assertThat(hex(new Protobuf().float32(20, 1))).isEqualTo("a5010000803f");
  }

  @Test
  void aGraphThatTheRuntimeDoesNotKnowIsRefusedInOneLine() {
    try (OnnxRuntimeSession session = new OnnxRuntimeSession(2)) {
      OnnxModel model =
          new OnnxModel("NoSuchOperator", List.of("x"), List.of("y"), Map.of("a", 1L))
              .input("x", DType.F32, 1)
              .output("y", DType.F32, 1);
      assertThatThrownBy(() -> new OnnxNode(session.runtime(), model))
          .isInstanceOf(PeerException.class)
          .hasMessageContaining("NoSuchOperator")
          .message()
          .hasLineCount(1);
    }
  }

  @Test
  void theNumberOfThreadsStaysForTheProcess() {
    try (OnnxRuntimeSession session = new OnnxRuntimeSession(2)) {
      assertThat(session.version()).startsWith("1.");
      assertThatThrownBy(() -> new OnnxRuntime().open(1))
          .isInstanceOf(PeerException.class)
          .hasMessageContaining("2 threads");
    }
  }
}
