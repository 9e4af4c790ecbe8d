package dev.octet.model;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.StaticQuery;
import org.jspecify.annotations.Nullable;

/**
 * How one layer attends.
 *
 * @param cache what its keys and values are stored as
 * @param kind how attention over them is computed
 * @param query how queries are rounded first; null if they are not
 */
record LayerAttention(KvSpec cache, AttentionKind kind, @Nullable StaticQuery query) {}
