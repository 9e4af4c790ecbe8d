package dev.octet.bench.peer;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.ServiceLoader;
import java.util.function.BiFunction;

/** The peers of one run, open. */
public final class Peers implements AutoCloseable {
  /**
   * A program and where it comes from.
   *
   * @param label peer and variant: {@code libtorch bf16}
   * @param isa the peer's
   */
  public record Entry(String label, String isa, PeerProgram program) {}

  private final SequencedMap<String, PeerSession> sessions = new LinkedHashMap<>();

  private Peers() {}

  /** No peer: Octet alone. */
  public static Peers none() {
    return new Peers();
  }

  /**
   * Opens the peers that the module path has.
   *
   * @param names which of them; empty: all
   * @param threads how many threads each may compute with
   * @throws PeerException if there are none, one is not there or cannot be loaded
   */
  public static Peers open(List<String> names, int threads) {
    return open(
        ServiceLoader.load(Peer.class).stream().map(ServiceLoader.Provider::get).toList(),
        names,
        threads);
  }

  /** {@link #open(List, int)} among peers at hand. */
  public static Peers open(List<Peer> all, List<String> names, int threads) {
    if (all.isEmpty()) {
      throw new PeerException(
          "--compare needs an optional part with other projects' libraries that is not here; run"
              + " ./octet bench … --compare in the source tree, which builds it");
    }
    List<Peer> sorted = new ArrayList<>(all);
    sorted.sort(Comparator.comparing(Peer::name));
    for (String name : names) {
      if (sorted.stream().noneMatch(p -> p.name().equals(name))) {
        throw new PeerException(
            "no peer '"
                + name
                + "'; there are "
                + String.join(", ", sorted.stream().map(Peer::name).toList()));
      }
    }
    Peers peers = new Peers();
    try {
      for (Peer peer : sorted) {
        if (names.isEmpty() || names.contains(peer.name())) {
          peers.sessions.put(peer.name(), peer.open(threads));
        }
      }
      return peers;
    } catch (RuntimeException | Error e) {
      peers.close();
      throw e;
    }
  }

  public boolean isEmpty() {
    return sessions.isEmpty();
  }

  /** Each peer with its version and instruction set. */
  public List<String> describe() {
    List<String> lines = new ArrayList<>();
    for (Map.Entry<String, PeerSession> e : sessions.entrySet()) {
      lines.add(e.getKey() + " " + e.getValue().version() + ", " + e.getValue().isa());
    }
    return lines;
  }

  /** Every peer's ways to multiply; the caller closes the programs. */
  public List<Entry> linear(LinearTask task) {
    return programs(PeerSession::linear, task);
  }

  /** Every peer's ways to attend; the caller closes the programs. */
  public List<Entry> attention(AttentionTask task) {
    return programs(PeerSession::attention, task);
  }

  private <T> List<Entry> programs(BiFunction<PeerSession, T, List<PeerProgram>> of, T task) {
    List<Entry> entries = new ArrayList<>();
    try {
      sessions.forEach(
          (name, session) -> {
            for (PeerProgram program : of.apply(session, task)) {
              entries.add(new Entry(name + " " + program.variant(), session.isa(), program));
            }
          });
      return entries;
    } catch (RuntimeException | Error e) {
      entries.forEach(entry -> entry.program().close());
      throw e;
    }
  }

  @Override
  public void close() {
    sessions.values().forEach(PeerSession::close);
    sessions.clear();
  }
}
