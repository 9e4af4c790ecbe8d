package dev.octet.bench.conformance;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Turns {@code case.json} into a typed case. A kind or field that is not known makes the case an
 * {@link UnknownCase}: it may change what the expected numbers mean.
 */
final class CaseReader {
  private static final Set<String> MODEL_FIELDS =
      Set.of(
          "model_dir",
          "model_type",
          "tokens",
          "vocab_size",
          "forward",
          "alternatives",
          "must_hold",
          "stored_whole",
          "rowdot",
          "stats");
  private static final Map<String, Set<String>> FIELDS =
      Map.of(
          "model", MODEL_FIELDS,
          "gguf", with(MODEL_FIELDS, "model_file", "tensor_types"),
          "attention",
              Set.of(
                  "layout",
                  "shape",
                  "scale",
                  "causal",
                  "causal_offset",
                  "mask",
                  "measured_rel_l1",
                  "latent_width"),
          "codec", Set.of("golden_words"),
          "malformed", Set.of("open", "expect", "requirement"),
          "accept", Set.of("open", "expect"));
  private static final Set<String> COMMON =
      Set.of(
          "id", "kind", "title", "tags", "exercises", "notes", "expected", "metric", "tolerance");

  private CaseReader() {}

  /**
   * Reads the case in {@code directory}; its id is the directory's name.
   *
   * @throws CaseException if {@code case.json} is damaged
   */
  static ConformanceCase read(Path directory) {
    CaseJson json = CaseJson.read(directory.resolve("case.json"));
    String id = String.valueOf(directory.toAbsolutePath().normalize().getFileName());
    String kind = json.text("kind");
    Set<String> fields = FIELDS.get(kind);
    if (fields == null) {
      return new UnknownCase(id, kind, "kind '" + kind + "' is not known to this runner");
    }
    List<String> unknown = json.keysBeyond(with(fields, COMMON.toArray(String[]::new)));
    if (!unknown.isEmpty()) {
      return new UnknownCase(id, kind, "case.json has fields not known to this runner: " + unknown);
    }
    return switch (kind) {
      case "model" -> model(id, kind, json.path("model_dir"), json);
      case "gguf" -> model(id, kind, json.path("model_file"), json);
      case "attention" -> attention(id, json);
      case "codec" -> new CodecCase(id, json.path("expected"));
      case "malformed" -> new MalformedCase(id, json.path("open"));
      default ->
          new AcceptCase(
              id, json.path("open"), json.has("expected") ? json.path("expected") : null);
    };
  }

  private static ModelCase model(String id, String kind, Path model, CaseJson json) {
    List<ModelCase.Alternative> alternatives = new ArrayList<>();
    for (CaseJson a : json.objects("alternatives")) {
      alternatives.add(
          new ModelCase.Alternative(a.text("key"), a.flag("accepted"), a.limit("max_rel_l1")));
    }
    SortedMap<String, Tolerance> tolerances = tolerances(json);
    require(tolerances, "logits", id);
    return new ModelCase(
        id,
        kind,
        model,
        json.path("expected"),
        tolerances,
        alternatives,
        json.texts("stored_whole"),
        json.has("rowdot"));
  }

  private static ConformanceCase attention(String id, CaseJson json) {
    CaseJson shape = json.object("shape");
    boolean causal = json.flag("causal");
    boolean packed = json.optionalText("mask").orElse("").contains("cu_seqlens");
    boolean masked = json.optionalText("mask").orElse("").contains("tensor `mask`");
    Optional<String> reason = oddAttention(json, causal, packed, masked);
    if (reason.isPresent()) {
      return new UnknownCase(id, "attention", reason.get());
    }
    SortedMap<String, Tolerance> tolerances = tolerances(json);
    for (String name : List.of("f32", "bf16", "int8")) {
      require(tolerances, name, id);
    }
    return new AttentionCase(
        id,
        json.path("expected"),
        new AttentionCase.Shape(
            shape.positive("heads"),
            shape.positive("kv_heads"),
            shape.positive("queries"),
            shape.positive("keys"),
            shape.positive("dim"),
            shape.positive("value_dim")),
        (float) json.number("scale"),
        causal,
        causal && !packed ? json.integer("causal_offset") : 0,
        packed,
        masked,
        tolerances);
  }

  /** Why an attention case means something that this runner cannot know. */
  private static Optional<String> oddAttention(
      CaseJson json, boolean causal, boolean packed, boolean masked) {
    if (json.has("mask") && !packed && !masked) {
      return Optional.of("mask '" + json.optionalText("mask").orElse("?") + "' is not known");
    }
    if (packed && !json.optionalText("causal_offset").orElse("").contains("keys - queries")) {
      return Optional.of("packed sequences without causal_offset 'keys - queries' are not known");
    }
    if (causal && !packed && !json.isNumber("causal_offset")) {
      return Optional.of("causal without a numeric causal_offset is not known");
    }
    return Optional.empty();
  }

  private static SortedMap<String, Tolerance> tolerances(CaseJson json) {
    CaseJson all = json.object("tolerance");
    SortedMap<String, Tolerance> map = new TreeMap<>();
    for (String name : all.keys()) {
      CaseJson t = all.object(name);
      map.put(
          name,
          new Tolerance(
              t.limit("max_rel_l1"),
              t.limit("lse_max_abs"),
              t.limit("max_rel_elementwise"),
              t.limit("max_abs_over_sum_abs")));
    }
    return map;
  }

  private static void require(SortedMap<String, Tolerance> tolerances, String name, String id) {
    Tolerance t = tolerances.get(name);
    if (t == null || Double.isInfinite(t.maxRelL1())) {
      throw new CaseException(
          id + "/case.json: tolerance '" + name + "' with max_rel_l1 is missing");
    }
  }

  private static Set<String> with(Set<String> fields, String... more) {
    Set<String> all = new HashSet<>(fields);
    all.addAll(List.of(more));
    return Set.copyOf(all);
  }
}
