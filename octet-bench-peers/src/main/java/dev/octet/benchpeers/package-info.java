/** libtorch and oneDNN as peers: the same work by other projects' kernels, set up to be fast. */
@NullMarked
package dev.octet.benchpeers;

import org.jspecify.annotations.NullMarked;
