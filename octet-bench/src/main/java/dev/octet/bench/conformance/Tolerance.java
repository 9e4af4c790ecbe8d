package dev.octet.bench.conformance;

/**
 * One of a case's limits; those that the case does not state are infinite.
 *
 * @param maxRelL1 on {@code sum|got - expected| / sum|expected|}
 * @param lseMaxAbs on the difference of finite log-sum-exps
 * @param maxRelElementwise on {@code |got - expected| / |expected|} of every element
 * @param maxAbsOverSumAbs on {@code |got - expected| / sum|terms|} of every row
 */
record Tolerance(
    double maxRelL1, double lseMaxAbs, double maxRelElementwise, double maxAbsOverSumAbs) {}
