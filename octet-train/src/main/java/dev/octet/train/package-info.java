/** Trains small Llama models with libtorch; optional at run time. */
@NullMarked
package dev.octet.train;

import org.jspecify.annotations.NullMarked;
