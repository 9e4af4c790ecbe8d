/** Bit layouts of packed integers, as formats store them and as they are canonical here. */
@NullMarked
package dev.octet.checkpoint.packing;

import org.jspecify.annotations.NullMarked;
