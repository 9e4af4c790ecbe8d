package dev.octet.bench.peer;

/** Kinds of work that a peer may be measured at. */
public enum Work {
  LINEAR,
  ATTENTION,
  MODEL
}
