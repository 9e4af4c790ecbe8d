/** Running a model layer by layer over sample text, and what is learned of every layer's input. */
@NullMarked
package dev.octet.quantize.calibrate;

import org.jspecify.annotations.NullMarked;
