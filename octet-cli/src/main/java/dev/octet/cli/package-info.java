/** The octet command line. */
@NullMarked
package dev.octet.cli;

import org.jspecify.annotations.NullMarked;
