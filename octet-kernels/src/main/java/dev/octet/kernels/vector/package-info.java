/** The vector provider: the JDK's Vector API, fast on any CPU without native code. */
@NullMarked
package dev.octet.kernels.vector;

import org.jspecify.annotations.NullMarked;
