/** Choosing a scheme for every layer under a budget of size, speed or loss, by measurement. */
@NullMarked
package dev.octet.quantize.mixed;

import org.jspecify.annotations.NullMarked;
