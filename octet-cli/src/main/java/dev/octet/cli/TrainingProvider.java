package dev.octet.cli;

import dev.octet.cli.output.Terminal;
import java.util.List;
import java.util.SequencedMap;

/**
 * What {@code octet train} runs: found through {@link java.util.ServiceLoader}, and there only when
 * the optional module that needs libtorch is on the module path.
 */
public interface TrainingProvider {
  /**
   * Trains, reporting to the terminal, until done or interrupted.
   *
   * @param arguments values of the options given, by their names without dashes
   * @return an {@link ExitCode}
   * @throws CliException for bad input
   */
  int train(SequencedMap<String, List<String>> arguments, Terminal terminal);
}
