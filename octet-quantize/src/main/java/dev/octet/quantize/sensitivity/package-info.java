/** What every layer of a model loses by being quantized, measured on text. */
@NullMarked
package dev.octet.quantize.sensitivity;

import org.jspecify.annotations.NullMarked;
