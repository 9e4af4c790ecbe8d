package dev.octet.cli;

import dev.octet.bench.AttentionBench;
import dev.octet.bench.peer.Peers;
import dev.octet.bench.peer.Work;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code octet bench attention}. */
@Command(
    name = "attention",
    description = "Speed of attention over a cache: reading a prompt, and one token at a time.",
    footer = {
      "  octet bench attention",
      "  octet bench attention --n 4096 --d 64,128 --causal --json",
      "  octet bench attention --attention bf16,int8 --kv-cache-dtype bf16,int8 --queries 512",
      "  octet bench attention --n 4096 --queries 4096 --heads 8 --compare"
    })
final class BenchAttentionCommand extends OctetCommand {
  @Option(
      names = "--attention",
      paramLabel = "KIND",
      split = ",",
      description = "kinds, each on every --kv-cache-dtype (default: all useful pairs)")
  List<AttentionKind> kinds = List.of();

  @Option(
      names = "--kv-cache-dtype",
      paramLabel = "TYPE",
      split = ",",
      description = "cache types for --attention (default: bf16)")
  List<KvType> kvTypes = List.of(KvType.BF16);

  @Option(
      names = "--d",
      paramLabel = "D",
      split = ",",
      description = "head dimensions (default: 128)")
  List<Integer> dims = List.of();

  @Option(
      names = "--n",
      paramLabel = "N",
      split = ",",
      description = "keys in the cache (default: 1024,4096)")
  List<Integer> lengths = List.of();

  @Option(
      names = "--heads",
      paramLabel = "H/K",
      defaultValue = "32/8",
      description = "query and key/value heads (default: ${DEFAULT-VALUE})")
  String heads;

  @Option(
      names = "--queries",
      paramLabel = "M",
      defaultValue = "256",
      description = "query rows of the prompt, 0 for none (default: ${DEFAULT-VALUE})")
  int queries;

  @Option(names = "--causal", description = "the prompt's queries see only keys before them")
  boolean causal;

  @Option(
      names = "--provider",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "kernels: reference, vector, cpu or auto, the fastest (default: auto)")
  String provider;

  @Option(
      names = "--repeat",
      paramLabel = "N",
      defaultValue = "7",
      description = "timed rounds (default: ${DEFAULT-VALUE})")
  int repetitions;

  @Mixin BenchOptions bench = new BenchOptions();

  @Mixin CompareOptions compare = new CompareOptions();

  @Override
  public Integer call() {
    AttentionBench.Options standard =
        AttentionBench.Options.standard(provider, bench.threadCount(), causal);
    int[] split = heads(heads);
    AttentionBench.Options options =
        new AttentionBench.Options(
            kinds.isEmpty() ? standard.variants() : variants(),
            split[0],
            split[1],
            dims.isEmpty() ? standard.headDims() : dims,
            lengths.isEmpty() ? standard.lengths() : lengths,
            queries,
            true,
            causal,
            provider,
            standard.threads(),
            repetitions);
    BenchPrinter printer = new BenchPrinter(terminal(), bench.json);
    try (Peers peers = compare.open(Work.ATTENTION, bench.threadCount(), terminal())) {
      AttentionBench.run(options, peers, printer);
    }
    printer.finish();
    return ExitCode.OK;
  }

  private List<AttentionBench.Variant> variants() {
    List<AttentionBench.Variant> variants = new ArrayList<>();
    for (AttentionKind kind : kinds) {
      kvTypes.forEach(type -> variants.add(new AttentionBench.Variant(kind, type)));
    }
    return variants;
  }

  private static int[] heads(String text) {
    int slash = text.indexOf('/');
    try {
      int query = Integer.parseInt(slash < 0 ? text : text.substring(0, slash));
      return new int[] {query, slash < 0 ? query : Integer.parseInt(text.substring(slash + 1))};
    } catch (NumberFormatException e) {
      throw new CliException("--heads " + text + ": give numbers like 32/8 or 32", e);
    }
  }
}
