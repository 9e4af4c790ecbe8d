package dev.octet.checkpoint;

import java.nio.file.Path;

/**
 * Where a stored tensor's bytes lie.
 *
 * @param file the file
 * @param position of the first byte in it
 */
public record TensorPlace(Path file, long position) {}
