package dev.octet.kernels;

import dev.octet.kernels.cpu.CpuKernels;
import dev.octet.kernels.cpu.EmulatedTiles;
import dev.octet.kernels.cpu.Tier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * The providers under test: each that this machine can run, the native one once a tier, and its
 * kernels on tiles with tiles in plain C besides.
 */
public final class TestKernels {
  private static final String CPU = "cpu-";

  private static final String EMULATED = "cpu-amx-emulated";

  private TestKernels() {}

  /** Names for {@link #create}. */
  public static List<String> all() {
    List<String> names = new ArrayList<>(List.of("reference"));
    names.addAll(fast());
    return names;
  }

  /** All but the reference. */
  public static List<String> fast() {
    List<String> names = new ArrayList<>(List.of("vector"));
    boolean there =
        Providers.list().stream().anyMatch(p -> p.name().equals("cpu") && p.available());
    if (there) {
      Arrays.stream(Tier.values())
          .filter(tier -> tier.compareTo(CpuKernels.best()) <= 0)
          .forEach(tier -> names.add(CPU + tier.name().toLowerCase(Locale.ROOT)));
      if (EmulatedTiles.available()) {
        names.add(EMULATED);
      }
    }
    return names;
  }

  /** A provider by its name. */
  public static Kernels create(String name, int threads) {
    return create(name, threads, Products.F32);
  }

  /** A provider by its name; rounding products of those that have them. */
  public static Kernels create(String name, int threads, Products products) {
    if (name.equals(EMULATED)) {
      return EmulatedTiles.kernels(threads, products);
    }
    return name.startsWith(CPU)
        ? new CpuKernels(
            threads, Tier.valueOf(name.substring(CPU.length()).toUpperCase(Locale.ROOT)), products)
        : Providers.create(name, threads, products);
  }
}
