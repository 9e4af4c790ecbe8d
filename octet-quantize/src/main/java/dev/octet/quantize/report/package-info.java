/** Reports as one HTML file each: tables and SVG charts, no script, nothing fetched. */
@NullMarked
package dev.octet.quantize.report;

import org.jspecify.annotations.NullMarked;
