package dev.octet.tensor;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * Quantization without data: every weight becomes its nearest code.
 *
 * <ul>
 *   <li>symmetric: {@code q = clamp(rint(w / s))}, {@code w' = q·s}, s by {@link ScaleRule}
 *   <li>asymmetric: the range [lo, hi] is widened to include 0, {@code s = (hi − lo) / (2^b − 1)},
 *       {@code z = rint(−lo / s) − 2^(b−1)}, {@code q = clamp(rint(w / s) + z)}, {@code w' = (q −
 *       z)·s}: zero is represented exactly
 *   <li>FP8: {@code q = encode(w / s)}, {@code w' = decode(q)·s}
 * </ul>
 *
 * <p>Rounding is half to even. Rows are worked on in parallel where the memory allows it (neither
 * tensor confined to one thread) and a weight is large.
 */
public final class RoundToNearest {
  /** Elements from which splitting the rows pays. */
  private static final long PARALLEL_FROM = 1L << 17;

  private static final Thread OTHER_THREAD = Thread.ofPlatform().unstarted(() -> {});

  private final Tensor weight;
  private final QuantScheme scheme;
  private final ScaleRule rule;
  private final Tensor codes;
  private final Tensor scales;
  private final @Nullable Tensor zeros;
  private final long rowBlock;
  private final int columnBlock;
  private final boolean parallel;

  private RoundToNearest(Tensor weight, QuantScheme scheme, ScaleRule rule, Arena arena) {
    this.weight = weight;
    this.scheme = scheme;
    this.rule = rule;
    long n = weight.dim(0);
    long k = weight.dim(1);
    this.rowBlock =
        switch (scheme.granularity()) {
          case TENSOR -> n;
          case CHANNEL, GROUP -> 1;
          case BLOCK -> scheme.group();
        };
    this.columnBlock =
        switch (scheme.granularity()) {
          case TENSOR, CHANNEL -> (int) k;
          case GROUP, BLOCK -> scheme.group();
        };
    long bands = ScaleGrid.blocks(n, rowBlock);
    long blocks = ScaleGrid.blocks(k, columnBlock);
    this.scales = Tensor.allocate(arena, DType.F32, bands, blocks);
    this.zeros = scheme.symmetric() ? null : Tensor.allocate(arena, DType.I16, bands, blocks);
    this.codes =
        switch (scheme.type()) {
          case INT8 -> Tensor.allocate(arena, DType.I8, n, k);
          case INT4 -> Tensor.allocate(arena, DType.U8, n, Nibbles.bytes((int) k));
          case FP8_E4M3 -> Tensor.allocate(arena, DType.F8_E4M3, n, k);
          case FP8_E5M2 -> Tensor.allocate(arena, DType.F8_E5M2, n, k);
        };
    this.parallel =
        weight.size() >= PARALLEL_FROM
            && weight.segment().isAccessibleBy(OTHER_THREAD)
            && codes.segment().isAccessibleBy(OTHER_THREAD);
  }

  /** {@link #quantize(Tensor, QuantScheme, ScaleRule, Arena)} by the best rule for the type. */
  public static QuantizedWeight quantize(Tensor weight, QuantScheme scheme, Arena arena) {
    return quantize(weight, scheme, ScaleRule.best(scheme.type()), arena);
  }

  /**
   * Quantizes a weight.
   *
   * @param weight F32, F16 or BF16 [n, k], n and k at least 1, k &lt; 2³¹
   * @param scheme type, granularity and symmetry; the last group or block may be short
   * @param rule where a symmetric scale comes from
   * @param arena owns the result
   * @throws IllegalArgumentException for a tensor of another kind, or for a weight that is NaN or
   *     infinite, naming its position
   */
  public static QuantizedWeight quantize(
      Tensor weight, QuantScheme scheme, ScaleRule rule, Arena arena) {
    DType type = weight.dtype();
    boolean quantizable = type == DType.F32 || type == DType.F16 || type == DType.BF16;
    if (!quantizable || weight.rank() != 2) {
      throw new IllegalArgumentException("only a F32, F16 or BF16 matrix quantizes, not " + weight);
    }
    if (weight.size() == 0 || weight.dim(1) > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(weight + " has no rows or columns, or too many columns");
    }
    RoundToNearest work = new RoundToNearest(weight, scheme, rule, arena);
    if (work.rowBlock == 1) {
      work.quantizeRows();
    } else {
      work.quantizeBands();
    }
    return work.result();
  }

  private QuantizedWeight result() {
    ScaleGrid grid = new ScaleGrid(scheme.granularity(), rowBlock, columnBlock, scales, zeros);
    return switch (scheme.type()) {
      case INT8 -> new Int8Weight(codes, grid);
      case INT4 -> new Int4Weight(codes, weight.dim(1), grid, null);
      case FP8_E4M3, FP8_E5M2 -> new Fp8Weight(codes, grid);
    };
  }

  /** Blocks within a row: one pass over the weight. */
  private void quantizeRows() {
    forRows(
        (from, to) -> {
          RowQuantizer row = new RowQuantizer(weight, scheme, rule, columnBlock);
          for (long r = from; r < to; r++) {
            row.load(r);
            row.chooseScales();
            row.encode();
            row.storeScales(scales, zeros, r);
            row.storeCodes(codes, r);
          }
        });
  }

  /** Blocks across rows: the ranges first, then the codes. */
  private void quantizeBands() {
    int blocks = (int) scales.dim(1);
    Tensor lows = Tensor.allocate(Arena.ofAuto(), DType.F32, weight.dim(0), blocks);
    Tensor highs = Tensor.allocate(Arena.ofAuto(), DType.F32, weight.dim(0), blocks);
    forRows(
        (from, to) -> {
          RowQuantizer row = new RowQuantizer(weight, scheme, rule, columnBlock);
          for (long r = from; r < to; r++) {
            row.load(r);
            row.storeRanges(lows, highs, r);
          }
        });
    RowQuantizer band = new RowQuantizer(weight, scheme, rule, columnBlock);
    for (long b = 0; b < scales.dim(0); b++) {
      long first = b * rowBlock;
      long after = first + Math.min(rowBlock, weight.dim(0) - first);
      band.mergeRanges(lows.rowRange(first, after), highs.rowRange(first, after));
      band.scalesFromRanges();
      band.storeScales(scales, zeros, b);
    }
    forRows(
        (from, to) -> {
          RowQuantizer row = new RowQuantizer(weight, scheme, rule, columnBlock);
          for (long r = from; r < to; r++) {
            row.load(r);
            row.loadScales(scales, zeros, r / rowBlock);
            row.encode();
            row.storeCodes(codes, r);
          }
        });
  }

  @FunctionalInterface
  private interface RowRange {
    void run(long from, long to);
  }

  private void forRows(RowRange work) {
    long rows = weight.dim(0);
    if (!parallel) {
      work.run(0, rows);
      return;
    }
    long chunk = Math.max(1, PARALLEL_FROM / weight.dim(1));
    LongStream.range(0, ScaleGrid.blocks(rows, chunk))
        .parallel()
        .forEach(c -> work.run(c * chunk, Math.min(rows, (c + 1) * chunk)));
  }

  /** Copies {@code source} into row {@code row} of an F32 matrix. */
  static void storeFloats(float[] source, Tensor matrix, long row) {
    long k = matrix.dim(1);
    MemorySegment.copy(source, 0, matrix.segment(), JAVA_FLOAT, row * k << 2, (int) k);
  }
}
