/** Four-bit floats E2M1 with E4M3 (NVFP4) or power-of-two (MXFP4) group scales. */
@NullMarked
package dev.octet.checkpoint.fp4;

import org.jspecify.annotations.NullMarked;
