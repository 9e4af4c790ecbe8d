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
import org.jspecify.annotations.Nullable;

/**
 * The library of one tier. Entries are called as ordinary downcalls, never as critical ones: a
 * thread inside a long kernel counts as stopped, so the garbage collector does not wait for it.
 */
final class NativeKernels {
  /** OCTET_ABI of {@code octet.h}. */
  private static final int ABI = 5;

  private static final Map<Tier, NativeKernels> LOADED = new EnumMap<>(Tier.class);

  private final Tier tier;
  private final SymbolLookup symbols;

  private NativeKernels(Tier tier, SymbolLookup own, SymbolLookup symbols) {
    this.tier = tier;
    this.symbols = symbols;
    int abi = callInt(entry(own, "octet_abi"));
    if (abi != ABI) {
      throw new NativeException("%s.so has ABI %d, not %d".formatted(tier.library(), abi, ABI));
    }
  }

  /**
   * The highest tier that is built, that this machine runs and that {@link Tier#CAP} allows;
   * loaded.
   *
   * @throws NativeException if there is none, saying why
   */
  static Tier best() {
    if (!PackedLibrary.has("probe")) {
      throw new NativeException("they were not built into this jar");
    }
    Tier cap = cap();
    Tier best =
        Arrays.stream(Tier.values())
            .filter(tier -> cap.has(tier) && lacks(tier) == null)
            .max(Comparator.naturalOrder())
            .orElseThrow(() -> new NativeException(String.valueOf(lacks(Tier.AVX2))));
    return of(best).tier;
  }

  /** The highest tier that the user allows. */
  static Tier cap() {
    return Tier.cap(System.getenv().getOrDefault(Tier.CAP, ""));
  }

  /** Why a tier cannot be used here, or null if it can. */
  static @Nullable String lacks(Tier tier) {
    String machine = Probe.lacks(tier);
    if (machine != null) {
      return machine;
    }
    if (!PackedLibrary.has(tier.library())) {
      return "it was not built, the C compiler did not know it";
    }
    return tier == Tier.AMX ? TileCheck.FAILURE : null;
  }

  /** The library of a tier that this machine runs, loaded on first use. */
  static synchronized NativeKernels of(Tier tier) {
    String lacks = Probe.lacks(tier);
    if (lacks != null) {
      throw new NativeException("no " + tier.label() + ": " + lacks);
    }
    NativeKernels there = LOADED.get(tier);
    if (there == null) {
      SymbolLookup own = PackedLibrary.load(tier.library());
      there = tier == Tier.AMX ? withTiles(own) : new NativeKernels(tier, own, own);
      LOADED.put(tier, there);
    }
    return there;
  }

  /** The kernels on tiles of a library; everything else is the tier's below. */
  static NativeKernels withTiles(SymbolLookup tiles) {
    return new NativeKernels(Tier.AMX, tiles, tiles.or(of(Tier.AVX512).symbols));
  }

  /**
   * Lets tiles compute a few products that are known.
   *
   * @return the number of the first that is wrong, 0 if none is
   */
  int checkTiles() {
    return callInt(entry(symbols, "octet_check_tiles"));
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

  /** Asks the processor and the system once, which is also when permission for AMX is asked for. */
  private static final class Probe {
    private static final int FOUND;
    private static final @Nullable String FAILURE;

    static {
      int found = 0;
      String failure = null;
      try {
        found = callInt(entry(PackedLibrary.load("probe"), "octet_probe"));
      } catch (NativeException e) {
        failure = String.valueOf(e.getMessage());
      }
      FOUND = found;
      FAILURE = failure;
    }

    private static @Nullable String lacks(Tier tier) {
      if (FAILURE != null) {
        return FAILURE;
      }
      if ((FOUND & tier.bit()) != 0) {
        return null;
      }
      return switch (tier) {
        case AVX2 -> "this processor or system lacks what the lowest tier needs: AVX2, FMA, F16C";
        case AVX512 -> "this processor or system lacks AVX-512 with VNNI, VBMI or BF16";
        case AMX ->
            (FOUND & 16) != 0
                ? "the system does not save the processor's tiles (Linux 5.16 and later does)"
                : (FOUND & 32) != 0
                    ? "the system refused the permission to use tiles"
                    : "this processor has none";
      };
    }
  }

  /** Whether this machine's tiles compute what is expected of them, tried once. */
  private static final class TileCheck {
    private static final @Nullable String FAILURE = failure();

    private static @Nullable String failure() {
      try {
        int wrong = of(Tier.AMX).checkTiles();
        return wrong == 0 ? null : "its tiles compute product " + wrong + " wrongly";
      } catch (NativeException e) {
        return String.valueOf(e.getMessage());
      }
    }
  }
}
