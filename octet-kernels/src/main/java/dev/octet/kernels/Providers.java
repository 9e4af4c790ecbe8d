package dev.octet.kernels;

import dev.octet.kernels.cpu.CpuKernels;
import dev.octet.kernels.cpu.NativeException;
import dev.octet.kernels.reference.ReferenceKernels;
import dev.octet.kernels.vector.VectorKernels;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/** Finds and makes providers of {@link Kernels}. */
public final class Providers {
  /**
   * A provider and whether it can be used here.
   *
   * @param name as on the command line
   * @param isa what it computes with
   * @param available whether {@link #create} makes it
   * @param reason why, or why not
   */
  public record ProviderInfo(String name, String isa, boolean available, String reason) {}

  private Providers() {}

  /**
   * Makes a provider that rounds nothing.
   *
   * @param name {@code reference}, {@code vector}, or {@code auto} for the fastest available
   * @param threads how many threads work at once, at least 1
   * @throws IllegalArgumentException for an unknown or unavailable provider, saying which there are
   */
  public static Kernels create(String name, int threads) {
    return create(name, threads, Products.F32);
  }

  /**
   * Makes a provider.
   *
   * @throws IllegalArgumentException the same, and for {@link Products} that the provider or the
   *     processor does not have
   */
  public static Kernels create(String name, int threads, Products products) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "auto" ->
          hasNative() ? cpu(threads, products) : exact(products, () -> new VectorKernels(threads));
      case "vector" -> exact(products, () -> new VectorKernels(threads));
      case "reference" -> new ReferenceKernels(threads, products);
      case "cpu" -> cpu(threads, products);
      default ->
          throw new IllegalArgumentException(
              "unknown provider '" + name + "'; choose one of auto, cpu, vector, reference");
    };
  }

  /**
   * Reads what a provider is to multiply in: a name of {@link Products}, or {@code auto}, which is
   * INT16 where the {@code cpu} provider computes with AVX-512 and F32 elsewhere.
   *
   * @param provider as for {@link #create}
   * @throws IllegalArgumentException for any other name, saying which there are
   */
  public static Products products(String provider, String name) {
    return name.equalsIgnoreCase("auto") ? usual(provider) : Products.parse(name);
  }

  /** What a provider multiplies in unless it is told. */
  public static Products usual(String provider) {
    boolean cpu = provider.equalsIgnoreCase("auto") || provider.equalsIgnoreCase("cpu");
    return cpu && hasNative() ? CpuKernels.usualProducts() : Products.F32;
  }

  private static Kernels exact(Products products, Supplier<Kernels> kernels) {
    if (products != Products.F32) {
      throw new IllegalArgumentException(
          "the vector provider has no products in %s; choose f32".formatted(products.label()));
    }
    return kernels.get();
  }

  private static Kernels cpu(int threads, Products products) {
    try {
      return new CpuKernels(threads, products);
    } catch (NativeException e) {
      throw new IllegalArgumentException(
          "provider 'cpu' cannot be used: " + e.getMessage() + "; choose vector or reference", e);
    }
  }

  /** Whether kernels in C can be used here. */
  static boolean hasNative() {
    return cpuInfo().available();
  }

  private static ProviderInfo cpuInfo() {
    try {
      String better = CpuKernels.whyNotBetter();
      String reason = better.isEmpty() ? "kernels in C" : "kernels in C; " + better;
      return new ProviderInfo("cpu", CpuKernels.best().label(), true, reason);
    } catch (NativeException e) {
      return new ProviderInfo("cpu", "", false, String.valueOf(e.getMessage()));
    }
  }

  /** All providers, the fastest first. */
  public static List<ProviderInfo> list() {
    return List.of(
        cpuInfo(),
        new ProviderInfo("vector", VectorKernels.width(), true, "the JDK's Vector API"),
        new ProviderInfo("reference", "scalar", true, "plain Java, the definition of right"));
  }
}
