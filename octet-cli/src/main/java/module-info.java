/** The octet command line. */
module dev.octet.cli {
  requires static transitive org.jspecify;
  requires dev.octet.engine;
  requires dev.octet.bench;
  requires info.picocli;
}
