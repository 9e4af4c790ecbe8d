/** Accuracy tables and timings of our own kernels and models. */
@NullMarked
package dev.octet.bench;

import org.jspecify.annotations.NullMarked;
