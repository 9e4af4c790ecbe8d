package dev.octet.cli.doctor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * The processor.
 *
 * @param model as it calls itself; the architecture where it does not say
 * @param flags features by the names of Linux; empty where the system does not tell
 */
public record Cpu(String model, Set<String> flags) {
  /** A named group of instructions and the flags that stand for it. */
  private record InstructionSet(String name, List<String> flags) {
    static InstructionSet of(String name, String... flags) {
      return new InstructionSet(name, List.of(flags));
    }
  }

  /** What the kernels can make use of, from the plainest to the fastest. */
  private static final List<InstructionSet> KNOWN =
      List.of(
          InstructionSet.of("AVX2", "avx2", "fma", "f16c"),
          InstructionSet.of("AVX-VNNI", "avx_vnni"),
          InstructionSet.of("AVX-512", "avx512f", "avx512bw", "avx512dq", "avx512vl"),
          InstructionSet.of("AVX-512 VNNI", "avx512_vnni"),
          InstructionSet.of("AVX-512 BF16", "avx512_bf16"),
          InstructionSet.of("AVX-512 FP16", "avx512_fp16"),
          InstructionSet.of("AMX INT8", "amx_tile", "amx_int8"),
          InstructionSet.of("AMX BF16", "amx_tile", "amx_bf16"),
          InstructionSet.of("NEON", "asimd"),
          InstructionSet.of("NEON dot product", "asimddp"),
          InstructionSet.of("NEON I8MM", "i8mm"),
          InstructionSet.of("NEON BF16", "bf16", "asimd"),
          InstructionSet.of("SVE", "sve"),
          InstructionSet.of("SVE2", "sve2"));

  public Cpu {
    flags = Set.copyOf(flags);
  }

  /** This machine's. */
  public static Cpu detect() {
    Path info = Path.of("/proc/cpuinfo");
    try {
      return parse(Files.readString(info), System.getProperty("os.arch"));
    } catch (IOException e) {
      return new Cpu(System.getProperty("os.arch"), Set.of()); // not Linux: no such file
    }
  }

  /** From the text of {@code /proc/cpuinfo}; x86 says {@code flags}, ARM {@code Features}. */
  static Cpu parse(String cpuinfo, String architecture) {
    Set<String> flags = new TreeSet<>();
    field(cpuinfo, "flags")
        .or(() -> field(cpuinfo, "Features"))
        .ifPresent(f -> flags.addAll(Arrays.asList(f.split("\\s+"))));
    return new Cpu(field(cpuinfo, "model name").orElse(architecture), flags);
  }

  private static Optional<String> field(String cpuinfo, String name) {
    return cpuinfo
        .lines()
        .filter(line -> line.substring(0, Math.max(0, line.indexOf(':'))).strip().equals(name))
        .map(line -> line.substring(line.indexOf(':') + 1).strip())
        .findFirst();
  }

  /** Instruction sets that are there. */
  public List<String> instructionSets() {
    return names(KNOWN.stream().filter(s -> flags.containsAll(s.flags)));
  }

  /** x86 instruction sets that are known and not there; empty on another architecture. */
  public List<String> absentInstructionSets() {
    boolean x86 = flags.contains("sse2");
    return names(
        KNOWN.stream()
            .filter(s -> x86 && s.name.startsWith("A"))
            .filter(s -> !flags.containsAll(s.flags)));
  }

  private static List<String> names(Stream<InstructionSet> sets) {
    return sets.map(InstructionSet::name).toList();
  }
}
