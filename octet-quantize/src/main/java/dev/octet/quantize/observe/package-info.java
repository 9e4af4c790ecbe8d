/** What values tensors take, watched as they pass, and from that the range their codes span. */
@NullMarked
package dev.octet.quantize.observe;

import org.jspecify.annotations.NullMarked;
