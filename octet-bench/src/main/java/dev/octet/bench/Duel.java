package dev.octet.bench;

import dev.octet.bench.peer.Peers;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * Our programs and those of peers on the same work: checks the peers' results, then times all in
 * the same rounds.
 */
final class Duel {
  private final int threads;
  private final List<Peers.Entry> entries;
  private final double[] errors;
  private double[] peerSeconds = {};
  private @Nullable Tensor right;

  Duel(int threads, List<Peers.Entry> entries) {
    this.threads = threads;
    this.entries = List.copyOf(entries);
    this.errors = new double[entries.size()];
  }

  /** Checks every peer against the right result. */
  void hold(Tensor correct) {
    this.right = correct;
    for (int i = 0; i < errors.length; i++) {
      errors[i] = PeerCheck.error(entries.get(i), correct);
    }
  }

  /** How far a result of ours lies from the right one. */
  double error(Tensor got) {
    if (right == null) {
      throw new IllegalStateException("nothing to hold it against");
    }
    return PeerCheck.relativeError(got, right);
  }

  /** Median seconds of {@code ours}; those of the peers are kept for the rows. */
  double[] medians(List<Runnable> ours, double warmUp, int repetitions) {
    List<Runnable> all = new ArrayList<>(ours);
    entries.forEach(e -> all.add(e.program()::run));
    double[] seconds = Stopwatch.medians(all, warmUp, repetitions, !entries.isEmpty());
    peerSeconds = Arrays.copyOfRange(seconds, ours.size(), seconds.length);
    return Arrays.copyOf(seconds, ours.size());
  }

  /** The peers' times beside one of ours. */
  List<PeerTime> beside(double ourSeconds) {
    List<PeerTime> times = new ArrayList<>();
    for (int i = 0; i < peerSeconds.length; i++) {
      times.add(
          new PeerTime(entries.get(i).label(), peerSeconds[i] * 1e3, peerSeconds[i] / ourSeconds));
    }
    return times;
  }

  /** A row for every peer. */
  List<BenchResult> rows(
      String bench,
      String input,
      @Nullable Integer d,
      @Nullable Integer n,
      @Nullable Boolean causal,
      double operations) {
    List<BenchResult> rows = new ArrayList<>();
    for (int i = 0; i < peerSeconds.length; i++) {
      Peers.Entry entry = entries.get(i);
      SequencedMap<String, Double> metrics = new LinkedHashMap<>();
      metrics.put("relL1", errors[i]);
      metrics.put("ms", peerSeconds[i] * 1e3);
      metrics.put("gb_per_s", entry.program().bytes() / peerSeconds[i] / 1e9);
      metrics.put("tops", operations / peerSeconds[i] / 1e12);
      rows.add(
          new BenchResult(
              bench, entry.label(), input, d, n, causal, threads, entry.isa(), metrics));
    }
    return rows;
  }
}
