/** What {@code octet demo} shows: one model in several quantizations, measured side by side. */
@NullMarked
package dev.octet.bench.demo;

import org.jspecify.annotations.NullMarked;
