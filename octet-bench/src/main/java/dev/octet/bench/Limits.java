package dev.octet.bench;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.Peaks;
import dev.octet.kernels.Peaks.Arithmetic;
import dev.octet.kernels.Products;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.WeightType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The roofs over a benchmark's rows: what the machine reads and computes at most, measured in the
 * same run, and how near a row comes to the one that binds it. {@code of_read} is that share where
 * reading what must be read would take longer than computing, {@code of_ops} where it is the other
 * way round. Above 1, what is counted as read came from the caches.
 *
 * <p>Memory is shared with others on most machines and gives more in one minute than in the next:
 * {@code of_read} holds a row against {@code read_gb_per_s}, what was read right before and after
 * the rows that were measured together; of whole models, after every round.
 */
final class Limits {
  /** By threads: a machine is measured once a process. */
  private static final Map<Integer, Peaks> MEASURED = new ConcurrentHashMap<>();

  private final Peaks peaks;

  private Limits(Peaks peaks) {
    this.peaks = peaks;
  }

  /** Measures the best instructions there are, whatever provider the rows are of. */
  static Limits measure(int threads) {
    return new Limits(MEASURED.computeIfAbsent(threads, Peaks::measure));
  }

  /** Bytes a second that memory gives now. Takes half a GiB for a quarter of a second. */
  double readNow() {
    return peaks.readingNow().bytesPerSecond();
  }

  /** These, where memory gives so many bytes a second. */
  Limits reading(double bytesPerSecond) {
    return new Limits(peaks.reading(bytesPerSecond));
  }

  /** The rows above all others. */
  List<BenchResult> rows(String bench) {
    List<BenchResult> rows = new ArrayList<>();
    rows.add(row(bench, "read", "gb_per_s", peaks.bytesPerSecond() / 1e9));
    for (Peaks.Peak peak : peaks.arithmetic()) {
      String name = peak.kind().name().toLowerCase(Locale.ROOT) + " " + peak.instruction();
      rows.add(row(bench, name, "tops", peak.operationsPerSecond() / 1e12));
    }
    return rows;
  }

  private BenchResult row(String bench, String what, String metric, double value) {
    SequencedMap<String, Double> metrics = new LinkedHashMap<>();
    metrics.put(metric, value);
    return new BenchResult(
        bench, "machine", what, null, null, null, peaks.threads(), peaks.isa(), metrics);
  }

  /**
   * Adds the share of the limit that binds.
   *
   * @param seconds what it took
   * @param bytes what must be read
   * @param computing seconds the arithmetic takes at least, from {@link #computing}
   */
  void judge(SequencedMap<String, Double> metrics, double seconds, double bytes, double computing) {
    double reading = bytes / peaks.bytesPerSecond();
    if (reading > computing) {
      metrics.put("of_read", reading / seconds);
      metrics.put("read_gb_per_s", peaks.bytesPerSecond() / 1e9);
    } else {
      metrics.put("of_ops", computing / seconds);
    }
  }

  /** Seconds that the products of a linear layer take at least. */
  double computing(@Nullable QuantScheme scheme, Products products, double operations) {
    if (products == Products.INT16 && scheme != null && meetsIntegers(scheme)) {
      return 2 * operations / peaks.operationsPerSecond(Arithmetic.INT8); // two bytes a number
    }
    return operations / peaks.operationsPerSecond(arithmetic(scheme, products));
  }

  private static boolean meetsIntegers(QuantScheme scheme) {
    return scheme.activation() instanceof ActivationQuant.None
        && (scheme.type() == WeightType.INT8 || scheme.type() == WeightType.INT4);
  }

  /** The least wide type that holds the codes of both, or what inputs are rounded to. */
  private static Arithmetic arithmetic(@Nullable QuantScheme scheme, Products products) {
    ActivationQuant activation = scheme == null ? new ActivationQuant.None() : scheme.activation();
    return switch (activation.unclipped()) {
      case ActivationQuant.None _ -> products == Products.BF16 ? Arithmetic.BF16 : Arithmetic.F32;
      case ActivationQuant.DynamicInt8 _,
          ActivationQuant.DynamicInt4 _,
          ActivationQuant.StaticInt8 _ ->
          Arithmetic.INT8;
      case ActivationQuant.DynamicFp8 _,
          ActivationQuant.StaticFp8 _,
          ActivationQuant.DynamicFp8Block _,
          ActivationQuant.Fp4Group _,
          ActivationQuant.AsymmetricInt8 _,
          ActivationQuant.MxGroup _,
          ActivationQuant.Clipped _ ->
          Arithmetic.BF16;
    };
  }

  /** Seconds that both products of attention take at least, its softmax left out. */
  double computing(AttentionKind kind, double operations) {
    double each = operations / 2;
    double scores = each / peaks.operationsPerSecond(scores(kind));
    return scores + each / peaks.operationsPerSecond(values(kind));
  }

  private static Arithmetic scores(AttentionKind kind) {
    return switch (kind) {
      case F32 -> Arithmetic.F32;
      case BF16 -> Arithmetic.BF16;
      case INT8, INT8_FAST, INT8_BF16, INT_FLASH, INT_FLASH_HALF -> Arithmetic.INT8;
    };
  }

  private static Arithmetic values(AttentionKind kind) {
    return switch (kind) {
      case F32 -> Arithmetic.F32;
      case BF16, INT8_BF16, INT_FLASH_HALF -> Arithmetic.BF16;
      case INT8, INT8_FAST, INT_FLASH -> Arithmetic.INT8;
    };
  }
}
