/** What commands print with: a terminal, colours, tables, progress bars, JSON lines. */
@NullMarked
package dev.octet.cli.output;

import org.jspecify.annotations.NullMarked;
