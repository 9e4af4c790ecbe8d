/** Plugs training into the command line. */
@NullMarked
package dev.octet.traincli;

import org.jspecify.annotations.NullMarked;
