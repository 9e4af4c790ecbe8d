/** Loops that show what a processor and its memory do at most; every provider brings its own. */
@NullMarked
package dev.octet.kernels.peak;

import org.jspecify.annotations.NullMarked;
