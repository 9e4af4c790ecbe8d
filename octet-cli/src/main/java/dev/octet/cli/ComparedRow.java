package dev.octet.cli;

import dev.octet.bench.demo.SpeedProbe;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import dev.octet.quantize.Verdict;
import dev.octet.quantize.compare.Comparison;
import org.jspecify.annotations.Nullable;

/**
 * What was measured of one model.
 *
 * @param weightBytes all weights in memory, scales included
 * @param perplexity on the text
 * @param comparison with the base; null for the base itself
 * @param verdict on the change of perplexity; null for the base itself
 * @param speed null if it was not asked for
 */
record ComparedRow(
    ComparedModel model,
    AttentionKind attention,
    KvType kvType,
    long weightBytes,
    double perplexity,
    @Nullable Comparison comparison,
    @Nullable Verdict verdict,
    SpeedProbe.@Nullable Speed speed) {}
