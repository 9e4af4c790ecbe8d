/**
 * libtorch, oneDNN, ONNX Runtime, llama.cpp: the same work by other projects, set up to be fast.
 */
@NullMarked
package dev.octet.benchpeers;

import org.jspecify.annotations.NullMarked;
