package dev.octet.bench;

/**
 * What a peer needed for the same work in the same run.
 *
 * @param peer peer and variant: {@code libtorch bf16}
 * @param ms its median time
 * @param ratio its time over ours: above 1, ours is faster
 */
public record PeerTime(String peer, double ms, double ratio) {}
