/**
 * Runs conformance cases: checkpoints, kernel inputs and broken files with the results that a
 * reader, a model and a kernel must produce.
 */
@NullMarked
package dev.octet.bench.conformance;

import org.jspecify.annotations.NullMarked;
