package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.Map;

/**
 * The library of one tier. Entries are called as ordinary downcalls, never as critical ones: a
 * thread inside a long kernel counts as stopped, so the garbage collector does not wait for it.
 */
final class NativeKernels {
  /** OCTET_ABI of {@code octet.h}. */
  private static final int ABI = 1;

  private static final Map<Tier, NativeKernels> LOADED = new EnumMap<>(Tier.class);

  private final Tier tier;
  private final SymbolLookup symbols;

  private NativeKernels(Tier tier) {
    this.tier = tier;
    this.symbols = PackedLibrary.load(tier.library());
    int abi = callInt(entry(symbols, "octet_abi"));
    if (abi != ABI) {
      throw new NativeException("%s.so has ABI %d, not %d".formatted(tier.library(), abi, ABI));
    }
  }

  /**
   * The highest tier that is built, that this machine runs and that {@link Tier#CAP} allows.
   *
   * @throws NativeException if there is none, saying why
   */
  static Tier best() {
    Tier cap = Tier.cap(System.getenv().getOrDefault(Tier.CAP, ""));
    return Arrays.stream(Tier.values())
        .filter(tier -> tier.compareTo(cap) <= 0 && runs(tier))
        .max(Comparator.naturalOrder())
        .orElseThrow(
            () ->
                new NativeException(
                    "this processor or system lacks what the lowest tier needs: AVX2, FMA, F16C"));
  }

  /** The library of a tier that this machine runs, loaded on first use. */
  static synchronized NativeKernels of(Tier tier) {
    if (!runs(tier)) {
      throw new NativeException("this machine does not run " + tier.label());
    }
    return LOADED.computeIfAbsent(tier, NativeKernels::new);
  }

  private static boolean runs(Tier tier) {
    return (Probe.TIERS & tier.bit()) != 0;
  }

  Tier tier() {
    return tier;
  }

  /** An entry that returns a status. */
  MethodHandle entry(String name, MemoryLayout... arguments) {
    return entry(symbols, name, arguments);
  }

  /** Throws unless {@code status} is OCTET_OK of {@code octet.h}. */
  static void check(int status, String entry) {
    if (status != 0) {
      String why =
          switch (status) {
            case 1 -> "a size is wrong";
            case 2 -> "a type or option is unknown";
            default -> "status " + status;
          };
      throw new NativeException("native kernel " + entry + " refused its arguments: " + why);
    }
  }

  /** What a downcall threw, which declares {@link Throwable} and throws nothing checked. */
  static RuntimeException rethrown(Throwable thrown) {
    if (thrown instanceof RuntimeException e) {
      return e;
    }
    if (thrown instanceof Error e) {
      throw e;
    }
    return new IllegalStateException(thrown);
  }

  @SuppressWarnings("restricted") // calls into native code, which is what this package is for
  private static MethodHandle entry(SymbolLookup symbols, String name, MemoryLayout... arguments) {
    return Linker.nativeLinker()
        .downcallHandle(symbols.findOrThrow(name), FunctionDescriptor.of(JAVA_INT, arguments));
  }

  private static int callInt(MethodHandle entry) {
    try {
      return (int) entry.invokeExact();
    } catch (Throwable e) {
      throw rethrown(e);
    }
  }

  /** Asks the processor and the system once. */
  private static final class Probe {
    private static final int TIERS = callInt(entry(PackedLibrary.load("probe"), "octet_probe"));
  }
}
