package dev.octet.bench.conformance;

/**
 * What a {@code case.json} asks for, one record a kind. Paths are absolute and lie within the
 * case's directory.
 */
sealed interface ConformanceCase
    permits ModelCase, AttentionCase, CodecCase, MalformedCase, AcceptCase, UnknownCase {
  /** Name of the case, for instance {@code ct_w8a8_dynamic}. */
  String id();

  /** {@code kind} as the file spells it. */
  String kind();
}
