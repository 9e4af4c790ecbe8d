/** Plugs training into the command line; optional, as it brings libtorch. */
module dev.octet.traincli {
  requires static transitive org.jspecify;
  requires dev.octet.cli;
  requires dev.octet.train;

  provides dev.octet.cli.TrainingProvider with
      dev.octet.traincli.LibtorchTraining;
}
