/**
 * Trains small Llama models with libtorch; optional at run time. {@link Training#run} is the way
 * in.
 */
@NullMarked
package dev.octet.train;

import org.jspecify.annotations.NullMarked;
