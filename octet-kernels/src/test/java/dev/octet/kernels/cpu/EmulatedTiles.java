package dev.octet.kernels.cpu;

import dev.octet.kernels.Products;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * The kernels of the AMX tier on tiles in plain C ({@code amx/tile_emulated.h}): what they compute
 * can be tested on every processor with AVX-512.
 */
public final class EmulatedTiles {
  private static final String FOLDER = "emulated/";

  private static final AtomicReference<@Nullable NativeKernels> LOADED = new AtomicReference<>();

  private EmulatedTiles() {}

  /** Whether they were built and the tier below runs here. */
  public static boolean available() {
    return EmulatedTiles.class.getResource(FOLDER + "SHA256SUMS") != null
        && NativeKernels.lacks(Tier.AVX512) == null;
  }

  /** A provider on them. */
  public static CpuKernels kernels(int threads, Products products) {
    return new CpuKernels(threads, library(), products);
  }

  static NativeKernels library() {
    synchronized (LOADED) {
      NativeKernels there = LOADED.get();
      if (there == null) {
        there = NativeKernels.withTiles(PackedLibrary.load(FOLDER, "amx"));
        LOADED.set(there);
      }
      return there;
    }
  }
}
