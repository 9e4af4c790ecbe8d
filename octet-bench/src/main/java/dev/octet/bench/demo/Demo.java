package dev.octet.bench.demo;

import dev.octet.checkpoint.WeightSource;
import dev.octet.engine.Generator;
import dev.octet.engine.SamplingParams;
import dev.octet.engine.TokenListener;
import dev.octet.engine.Tokenizer;
import dev.octet.kernels.Kernels;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.quantize.Perplexity;
import dev.octet.quantize.PerplexityOptions;
import dev.octet.quantize.Progress;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.QuantizedSource;
import dev.octet.tensor.QuantScheme;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One model in several variants: all are loaded at once, measured on the same text and in turns,
 * and continue the same prompt. Accuracy and speed of a row are of the same loaded model.
 */
public final class Demo implements AutoCloseable {
  private static final int KV_BLOCK = 64;

  private final List<DemoVariant> variants;
  private final Tokenizer tokenizer;
  private final DemoPlan plan;
  private final List<CausalLm> models = new ArrayList<>();

  private Demo(List<DemoVariant> variants, Tokenizer tokenizer, DemoPlan plan) {
    this.variants = List.copyOf(variants);
    this.tokenizer = tokenizer;
    this.plan = plan;
  }

  /**
   * Loads the model once for every variant.
   *
   * @param source the weights unquantized; stays the caller's, as do kernels and tokenizer
   */
  public static Demo load(
      WeightSource source,
      Tokenizer tokenizer,
      Kernels kernels,
      List<DemoVariant> variants,
      DemoPlan plan) {
    Demo demo = new Demo(variants, tokenizer, plan);
    try {
      for (DemoVariant variant : variants) {
        demo.models.add(
            CausalLm.load(weights(source, variant.scheme()), kernels, variant.options()));
      }
      return demo;
    } catch (RuntimeException | Error e) {
      demo.close();
      throw e;
    }
  }

  private static WeightSource weights(WeightSource source, @Nullable QuantScheme scheme) {
    return scheme == null ? source : new QuantizedSource(source, QuantizeOptions.of(scheme));
  }

  /** Measures everything; a row a variant. */
  public List<DemoRow> run(Progress progress) {
    int phases = models.size() * 2 + 1;
    List<Double> perplexities = new ArrayList<>();
    for (int m = 0; m < models.size(); m++) {
      perplexities.add(perplexity(models.get(m), part(progress, m, phases, m)));
    }
    Progress speed = part(progress, models.size(), phases, -1);
    List<SpeedProbe.Speed> speeds =
        plan.probe().measure(models, (done, total) -> speed.update(done, total, ""));
    List<DemoRow> rows = new ArrayList<>();
    for (int m = 0; m < models.size(); m++) {
      CausalLm model = models.get(m);
      String text = generate(model);
      part(progress, models.size() + 1 + m, phases, m).update(1, 1, "");
      rows.add(
          new DemoRow(
              variants.get(m),
              model.weightBytes(),
              kvBytesPerToken(model),
              perplexities.get(m),
              perplexities.get(m) / perplexities.getFirst() - 1,
              speeds.get(m),
              text));
    }
    return rows;
  }

  /** A part of the whole, all parts as long as each other; {@code variant} −1 names all. */
  private Progress part(Progress whole, int index, int parts, int variant) {
    String name = variant < 0 ? "speed, in turns" : variants.get(variant).label().strip();
    return (done, total, what) ->
        whole.update(1000L * index + 1000 * done / Math.max(1, total), 1000L * parts, name);
  }

  private double perplexity(CausalLm model, Progress progress) {
    PerplexityOptions options =
        PerplexityOptions.fixed(plan.context(), plan.bos()).withSamples(plan.samples());
    return Perplexity.measure(model, plan.text(), options, progress).perplexity();
  }

  private String generate(CausalLm model) {
    return new Generator(model, tokenizer)
        .generate(plan.prompt(), SamplingParams.greedy(plan.newTokens()), TokenListener.none())
        .text();
  }

  private double kvBytesPerToken(CausalLm model) {
    try (KvCache cache = model.newCache()) {
      model.forward(
          Arrays.copyOf(plan.text(), Math.min(KV_BLOCK, plan.text().length)), cache, true);
      return (double) cache.byteSize() / cache.length();
    }
  }

  @Override
  public void close() {
    models.forEach(CausalLm::close);
    models.clear();
  }
}
