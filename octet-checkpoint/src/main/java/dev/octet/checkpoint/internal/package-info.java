/** What all formats share: strict JSON, quoting of foreign text; not exported. */
@NullMarked
package dev.octet.checkpoint.internal;

import org.jspecify.annotations.NullMarked;
