/** The octet command line. */
module dev.octet.cli {
  requires static transitive org.jspecify;
  requires dev.octet.engine;
  requires dev.octet.bench;
  requires transitive info.picocli;

  uses dev.octet.cli.TrainingProvider;

  exports dev.octet.cli;
  exports dev.octet.cli.output;

  opens dev.octet.cli to
      info.picocli;
}
