package dev.octet.bench.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CodecCaseTest {
  private static final String FILE = "codec/expected.safetensors";

  @TempDir private Path dir;
  private CaseFiles files;
  private CodecCase c;

  @BeforeEach
  void makeCase() {
    files = new CaseFiles(dir);
    c = new CodecCase("codec", dir.resolve(FILE));
    files.tensors(
        FILE,
        Map.of(
            "x", Tensor.ofFloats(new float[] {1, -0f, 1000, 0.3f}, 4),
            // 0.3 = 1.0011 0011…b · 2^-2 rounds to 1.010b · 2^-2; the exponent's bias is 7
            "encode.e4m3", CaseFiles.ints(DType.U8, 0x38, 0x80, 0x7E, 0x2A),
            "y", Tensor.ofFloats(new float[] {0.5f, 1.5f, -2.5f, 400}, 4),
            "int8.y", CaseFiles.ints(DType.I8, 0, 2, -2, 127)));
  }

  @Test
  void rightCodesPass() {
    assertThat(CodecCheck.run(c).line())
        .isEqualTo("PASS codec relL1=0 limit=0 bit-exact: encode e4m3, int8 rounding");
  }

  @Test
  void oneWrongBitFails() {
    files.change(FILE, t -> CaseFiles.add(t, "encode.e4m3", 3, 1));
    assertThat(CodecCheck.run(c).line()).startsWith("FAIL codec ").contains("0x2a, not 0x2b");
  }

  @Test
  void codesOfAFormatNotBuiltYetMakeASkipThatNamesThem() {
    files.change(FILE, t -> t.put("q9.words", CaseFiles.ints(DType.I32, 1)));
    assertThat(CodecCheck.run(c).line())
        .startsWith("SKIP codec not built yet: q9.words")
        .contains("encode e4m3");
  }

  @Test
  void packedIntegersAreCheckedBothWays() {
    Tensor codes = CaseFiles.ints(DType.I8, -7, -6, -8, -8, -8, -8, -8, -8).reshape(1, 8);
    files.tensors(
        FILE,
        Map.of(
            "ct4.codes", codes,
            "ct4.weight_packed", CaseFiles.ints(DType.I32, 0x21).reshape(1, 1),
            "ct4.zero_points", CaseFiles.ints(DType.I8, -7).reshape(1, 1),
            "ct4.weight_zero_point", CaseFiles.ints(DType.I32, 1).reshape(1, 1),
            "int4.codes", codes,
            "int4.pairs_along_input",
                CaseFiles.ints(DType.U8, 0xA9, 0x88, 0x88, 0x88).reshape(1, 4)));
    assertThat(CodecCheck.run(c).line())
        .isEqualTo(
            "PASS codec relL1=0 limit=0 bit-exact: compressed-tensors int4, int4 pairs along input");
    files.change(FILE, t -> CaseFiles.add(t, "ct4.weight_packed", 0, 1));
    assertThat(CodecCheck.run(c).line()).startsWith("FAIL codec ").contains("code 0 is -6, not -7");
    files.change(FILE, t -> CaseFiles.add(t, "ct4.weight_packed", 0, -1));
    files.change(FILE, t -> CaseFiles.add(t, "ct4.weight_zero_point", 0, 16));
    assertThat(CodecCheck.run(c).line()).startsWith("FAIL codec ").contains("word 0");
    files.change(FILE, t -> CaseFiles.add(t, "ct4.weight_zero_point", 0, -16));
    files.change(FILE, t -> CaseFiles.add(t, "int4.pairs_along_input", 2, 1));
    assertThat(CodecCheck.run(c).line()).startsWith("FAIL codec ").contains("pair 2");
  }

  @Test
  void aWrongBitOutweighsWhatIsNotBuilt() {
    files.change(
        FILE,
        t -> {
          t.put("q9.words", CaseFiles.ints(DType.I32, 1));
          CaseFiles.add(t, "int8.y", 0, 1);
        });
    assertThat(CodecCheck.run(c).line()).startsWith("FAIL codec ");
  }
}
