package dev.octet.cli;

/**
 * A command that an optional module adds: found through {@link java.util.ServiceLoader}, and there
 * only when the module is on the module path.
 */
public interface CommandExtension {
  /** The name on the command line; replaces the command that says how to get the module. */
  String name();

  /** A new picocli command, an {@link OctetCommand}. */
  OctetCommand command();
}
