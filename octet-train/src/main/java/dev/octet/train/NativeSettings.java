package dev.octet.train;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Settings that libtorch's thread pools read from the environment when they are loaded.
 *
 * <p>libtorch's OpenMP threads spin while they wait and so take the cores from OpenBLAS's own
 * threads: on two cores training then runs at a fifth of its speed. OpenBLAS takes its number of
 * threads from the environment alone.
 */
final class NativeSettings {
  private NativeSettings() {}

  /** Must come before the first use of libtorch; a value that the user has set stays. */
  @SuppressWarnings("restricted") // calling setenv is what this class is for
  static void apply(int threadsEach) {
    Linker linker = Linker.nativeLinker();
    linker
        .defaultLookup()
        .find("setenv")
        .ifPresent(
            setenv -> {
              MethodHandle handle =
                  linker.downcallHandle(
                      setenv,
                      FunctionDescriptor.of(
                          ValueLayout.JAVA_INT,
                          ValueLayout.ADDRESS,
                          ValueLayout.ADDRESS,
                          ValueLayout.JAVA_INT));
              set(handle, "OMP_WAIT_POLICY", "passive");
              set(handle, "OPENBLAS_NUM_THREADS", Integer.toString(threadsEach));
            });
  }

  private static void set(MethodHandle setenv, String name, String value) {
    try (Arena arena = Arena.ofConfined()) {
      int _ = (int) setenv.invokeExact(arena.allocateFrom(name), arena.allocateFrom(value), 0);
    } catch (Throwable e) {
      throw new TrainException("cannot set " + name, e);
    }
  }
}
