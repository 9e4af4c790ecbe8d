/** What another project's kernels must offer to be measured beside ours; found by ServiceLoader. */
@NullMarked
package dev.octet.bench.peer;

import org.jspecify.annotations.NullMarked;
