package dev.octet.bench.peer;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.ServiceLoader;
import java.util.TreeMap;
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

  /**
   * A model and where it comes from.
   *
   * @param label peer and variant: {@code llamacpp q8_0}
   * @param isa the peer's
   */
  public record ModelEntry(String label, String isa, PeerModel model) {}

  private final SequencedMap<String, PeerSession> sessions = new LinkedHashMap<>();

  private Peers() {}

  /** No peer: Octet alone. */
  public static Peers none() {
    return new Peers();
  }

  /**
   * Opens the peers that the module path has.
   *
   * @param work what they are to do
   * @param names which of them; empty: all that can
   * @param threads how many threads each may compute with
   * @throws PeerException if there are none, one is not there, cannot do that work or cannot be
   *     loaded
   */
  public static Peers open(Work work, List<String> names, int threads) {
    return open(
        ServiceLoader.load(Peer.class).stream().map(ServiceLoader.Provider::get).toList(),
        work,
        names,
        threads);
  }

  /** {@link #open(Work, List, int)} among peers at hand. */
  public static Peers open(List<Peer> all, Work work, List<String> names, int threads) {
    if (all.isEmpty()) {
      throw new PeerException(
          "--compare needs an optional part with other projects' libraries that is not here; run"
              + " ./octet bench … --compare in the source tree, which builds it");
    }
    SequencedMap<String, Peer> able = new TreeMap<>();
    all.stream().filter(p -> p.works().contains(work)).forEach(p -> able.put(p.name(), p));
    for (String name : names) {
      if (!able.containsKey(name)) {
        throw new PeerException(
            "no peer '"
                + name
                + "' for bench "
                + work.name().toLowerCase(Locale.ROOT)
                + "; there are "
                + String.join(", ", able.keySet()));
      }
    }
    Peers peers = new Peers();
    try {
      able.forEach(
          (name, peer) -> {
            if (names.isEmpty() || names.contains(name)) {
              peers.sessions.put(name, peer.open(threads));
            }
          });
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

  /** Every peer's models; the caller closes them. */
  public List<ModelEntry> models(ModelTask task) {
    List<ModelEntry> entries = new ArrayList<>();
    try {
      sessions.forEach(
          (name, session) -> {
            for (PeerModel model : session.models(task)) {
              entries.add(new ModelEntry(name + " " + model.variant(), session.isa(), model));
            }
          });
      return entries;
    } catch (RuntimeException | Error e) {
      entries.forEach(entry -> entry.model().close());
      throw e;
    }
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
