package dev.octet.quantize;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.checkpoint.TensorSpec;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Gives a model outlier channels without changing what it computes: a channel is made larger by a
 * power of two where it is written, and smaller by the same where it is read, so that every product
 * is what it was to the last bit. Trained models of billions of parameters have such channels (T.
 * Dettmers et al., arXiv 2208.07339); small ones do not, and so show nothing of what SmoothQuant or
 * a rotation is for. For tests and measurements.
 */
public final class OutlierInjection {
  private OutlierInjection() {}

  /** Where channels can be made larger. */
  public enum Site {
    /** Outputs of both norms; read by q, k, v, and by gate, up. */
    NORM,
    /** Keys, both halves of a rotary pair; read by the product with queries. */
    KEY,
    /** Values; read by the output projection. */
    VALUE,
    /** The product of gate and up; read by down. */
    DOWN
  }

  /**
   * What to do, the same in every layer.
   *
   * @param channels how many channels of each site; of keys, pairs of channels
   * @param exponent they become 2^exponent times as large, 1 … 12
   * @param seed of the choice of channels
   */
  public record Plan(Set<Site> sites, int channels, int exponent, long seed) {
    public Plan {
      sites = Set.copyOf(sites);
      if (sites.isEmpty() || channels < 1 || exponent < 1 || exponent > 12) {
        throw new IllegalArgumentException(
            "outliers need a site, at least 1 channel and a factor of 2 to 4096");
      }
    }
  }

  /** What a tensor's rows or columns are multiplied with. */
  private record Change(String tensor, boolean rows, int index, float factor) {}

  /**
   * Writes the changed model, in the types it has, as one file.
   *
   * @param in an unquantized model directory
   * @param out a directory that does not exist
   * @throws CheckpointException if the model is quantized, has no such channels, or a weight would
   *     leave the range of its type
   */
  public static void run(Path in, Path out, Plan plan) {
    try (Checkpoint source = Checkpoints.open(in)) {
      if (!source.format().equals("dense")) {
        throw new CheckpointException(in + ": is quantized; outliers are put into originals");
      }
      Map<String, List<Change>> changes = new HashMap<>();
      for (Change change : changes(source.config(), plan)) {
        if (source.hasTensor(change.tensor)) {
          changes.computeIfAbsent(change.tensor, t -> new ArrayList<>()).add(change);
        }
      }
      if (Files.exists(out)) {
        throw new CheckpointException(out + ": exists");
      }
      Files.createDirectories(out);
      copySidecars(in, out);
      write(source, changes, out.resolve("model.safetensors"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void copySidecars(Path in, Path out) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(in, "*.{json,txt,model,jinja}")) {
      for (Path file : files) {
        String name = String.valueOf(file.getFileName());
        if (!name.endsWith(".index.json")) {
          Files.copy(file, out.resolve(name));
        }
      }
    }
  }

  private static void write(Checkpoint source, Map<String, List<Change>> changes, Path file) {
    List<TensorSpec> specs = new ArrayList<>();
    source.tensors().forEach((name, tensor) -> specs.add(TensorSpec.of(name, tensor)));
    try (SafetensorsWriter writer =
        SafetensorsWriter.create(file, specs, SafetensorsWriter.METADATA)) {
      source
          .tensors()
          .forEach(
              (name, tensor) -> {
                try (Arena arena = Arena.ofConfined()) {
                  writer.write(name, changed(name, tensor, changes, arena));
                }
              });
      writer.finish();
    }
  }

  private static Tensor changed(
      String name, Tensor stored, Map<String, List<Change>> changes, Arena arena) {
    List<Change> own = changes.get(name);
    if (own == null) {
      return stored;
    }
    Tensor copy = Tensor.allocate(arena, stored.dtype(), stored.shape());
    copy.segment().copyFrom(stored.segment());
    for (Change c : own) {
      long columns = copy.rank() == 1 ? 1 : copy.columns();
      long count = c.rows ? columns : copy.rows();
      for (long i = 0; i < count; i++) {
        long at = c.rows ? c.index * columns + i : i * columns + c.index;
        float value = copy.getFloat(at) * c.factor;
        copy.setFloat(at, value);
        if (copy.getFloat(at) != value) {
          throw new CheckpointException(
              "%s: %s times %s is no %s".formatted(name, value / c.factor, c.factor, copy.dtype()));
        }
      }
    }
    return copy;
  }

  private static List<Change> changes(ModelConfig config, Plan plan) {
    List<Change> changes = new ArrayList<>();
    float larger = 1 << plan.exponent;
    for (Site site : EnumSet.copyOf(plan.sites)) {
      SplittableRandom random = new SplittableRandom(plan.seed + site.name().hashCode());
      int[] channels = choose(site, channels(config, site), plan.channels, random);
      for (int layer = 0; layer < config.layers(); layer++) {
        String prefix = "model.layers." + layer + ".";
        for (int channel : channels) {
          add(config, site, prefix, channel, larger, changes);
        }
      }
    }
    return changes;
  }

  private static int channels(ModelConfig c, Site site) {
    return switch (site) {
      case NORM -> c.hiddenSize();
      case KEY -> (c.qkNorm() ? 1 : c.kvHeads()) * c.headDim() / 2;
      case VALUE -> c.kvHeads() * c.headDim();
      case DOWN -> c.intermediateSize();
    };
  }

  private static int[] choose(Site site, int all, int wanted, SplittableRandom random) {
    if (wanted > all) {
      throw new CheckpointException(
          "%d outlier channels are too many: this model has %d at %s"
              .formatted(wanted, all, site.name().toLowerCase(Locale.ROOT)));
    }
    return random.ints(0, all).distinct().limit(wanted).sorted().toArray();
  }

  private static void add(
      ModelConfig config, Site site, String p, int channel, float larger, List<Change> to) {
    float smaller = 1 / larger;
    String attention = p + "self_attn.";
    switch (site) {
      case NORM -> {
        rows(p + "input_layernorm", channel, larger, to);
        rows(p + "post_attention_layernorm", channel, larger, to);
        for (String reader : List.of("self_attn.q", "self_attn.k", "self_attn.v")) {
          to.add(new Change(p + reader + "_proj.weight", false, channel, smaller));
        }
        to.add(new Change(p + "mlp.gate_proj.weight", false, channel, smaller));
        to.add(new Change(p + "mlp.up_proj.weight", false, channel, smaller));
      }
      case DOWN -> {
        rows(p + "mlp.up_proj", channel, larger, to);
        to.add(new Change(p + "mlp.down_proj.weight", false, channel, smaller));
      }
      case VALUE -> {
        rows(attention + "v_proj", channel, larger, to);
        for (int query : queryChannels(config, channel)) {
          to.add(new Change(attention + "o_proj.weight", false, query, smaller));
        }
      }
      case KEY -> key(config, attention, channel, larger, to);
    }
  }

  /** Both channels of a rotary pair, which lie half a head apart. */
  private static void key(
      ModelConfig config, String attention, int pair, float larger, List<Change> to) {
    int half = config.headDim() / 2;
    int first = pair / half * config.headDim() + pair % half;
    for (int channel : new int[] {first, first + half}) {
      if (config.qkNorm()) {
        rows(attention + "k_norm", channel, larger, to);
        rows(attention + "q_norm", channel, 1 / larger, to);
      } else {
        rows(attention + "k_proj", channel, larger, to);
        for (int query : queryChannels(config, channel)) {
          rows(attention + "q_proj", query, 1 / larger, to);
        }
      }
    }
  }

  /** The channels of all query heads that look at a key/value head's channel. */
  private static int[] queryChannels(ModelConfig config, int channel) {
    int group = config.heads() / config.kvHeads();
    int head = channel / config.headDim();
    int[] all = new int[group];
    for (int g = 0; g < group; g++) {
      all[g] = (head * group + g) * config.headDim() + channel % config.headDim();
    }
    return all;
  }

  private static void rows(String module, int row, float factor, List<Change> to) {
    to.add(new Change(module + ".weight", true, row, factor));
    to.add(new Change(module + ".bias", true, row, factor));
  }
}
