/** How fast a model's layers run here in each scheme, and which scheme suits this machine. */
@NullMarked
package dev.octet.quantize.machine;

import org.jspecify.annotations.NullMarked;
