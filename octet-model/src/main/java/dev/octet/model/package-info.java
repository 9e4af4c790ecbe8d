/** Architectures, KV cache and the forward pass. */
@NullMarked
package dev.octet.model;

import org.jspecify.annotations.NullMarked;
