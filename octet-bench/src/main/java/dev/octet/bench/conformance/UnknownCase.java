package dev.octet.bench.conformance;

/**
 * A case that asks for something this runner does not know, so that neither outcome would mean
 * anything.
 */
record UnknownCase(String id, String kind, String reason) implements ConformanceCase {}
