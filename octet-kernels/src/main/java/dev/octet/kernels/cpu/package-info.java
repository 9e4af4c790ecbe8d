/**
 * The provider in C, reached through the Foreign Function API: one library a tier of processors.
 */
@NullMarked
package dev.octet.kernels.cpu;

import org.jspecify.annotations.NullMarked;
