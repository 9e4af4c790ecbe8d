package dev.octet.checkpoint.ascend;

import java.util.Arrays;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * What the description says of every tensor. A module is stored as the tag of its {@code .weight}
 * says; the headline {@code model_quant_type} decides nothing.
 */
enum Tag {
  /** {@code .weight} in F32, F16 or BF16. */
  FLOAT(Form.DENSE),
  /** Sparse floats, stored like any others. */
  W16A16S(Form.DENSE),
  /** INT8 with one calibrated input scale; the bias is inside {@code quant_bias}. */
  W8A8(Form.STATIC_INT8),
  /** W8A8 whose codes are mostly small, so that they could be compressed. */
  W8A8S(Form.STATIC_INT8),
  /** INT8 with input scales computed for each token. */
  W8A8_DYNAMIC(Form.DYNAMIC_INT8),
  /** Dynamic while a prompt is read, static while tokens follow one by one. */
  W8A8_MIX(Form.MIXED_INT8),
  /** MindIE's own name of {@link #W8A8_MIX}. */
  W8A8_PDMIX(Form.MIXED_INT8),
  /** INT8 weights only, with offsets. */
  W8A16(Form.WEIGHT_INT8),
  /** INT4 weights only, with offsets; three layouts. */
  W4A16(Form.WEIGHT_INT4),
  /** INT4 weights, INT8 input scales computed for each token. */
  W4A8_DYNAMIC(Form.DYNAMIC_INT4),
  /** INT4 weights and inputs, one code a byte, input scales computed for each token. */
  W4A4_DYNAMIC(Form.DYNAMIC_INT4_INPUTS),
  /** FP8 E4M3 weights and inputs, input scales computed for each token. */
  WFP8AFP8_DYNAMIC(Form.DYNAMIC_FP8),
  /** FP8 with a power of two for every 32 weights and inputs. */
  W8A8_MXFP8(Form.MX_FP8_INPUTS),
  /** FP4 weights, FP8 inputs, a power of two for every 32. */
  W4A8_MXFP(Form.MX_FP8_INPUTS),
  /** FP4 weights and inputs, a power of two for every 32. */
  W4A4_MXFP4(Form.MX_FP4_INPUTS),
  /** MXFP4 with a second scale for every 512. */
  W4A4_MXFP4_DUALSCALE(Form.MX_TWO_LEVELS),
  /** A cache scale or offset. */
  C8(Form.SCALE),
  /** An attention scale or offset. */
  FA_QUANT("FAQuant", Form.SCALE),
  /** An attention scale of latent attention, or of any in later tools. */
  FAK_QUANT("FAKQuant", Form.SCALE),
  /** Scales that differ by diffusion step. */
  W8A8_TIMESTEP("its scales are for steps of diffusion, which language models have not"),
  /** Codes compressed for one device and one degree of parallelism. */
  W8A8SC("it is compressed for one kind of device"),
  /** Compressed sparse floats. */
  W16A16SC("it is compressed for one kind of device"),
  /** Four-bit normal floats, of which the tools store the codes alone. */
  NF4("the scales of its blocks are not stored");

  /** How a tagged module's tensors are to be read. */
  enum Form {
    DENSE,
    STATIC_INT8,
    DYNAMIC_INT8,
    MIXED_INT8,
    WEIGHT_INT8,
    WEIGHT_INT4,
    DYNAMIC_INT4,
    DYNAMIC_INT4_INPUTS,
    DYNAMIC_FP8,
    MX_FP8_INPUTS,
    MX_FP4_INPUTS,
    MX_TWO_LEVELS,
    SCALE,
    UNREAD
  }

  private static final String LEARNT = "_FLATQUANT";
  private static final String LOW_RANK = "_SVD";
  private static final String DYNAMIC = "_DYNAMIC";
  private static final Pattern ADDITION = Pattern.compile("(_FLATQUANT|_SVD)(?=_|$)");

  private final String label;
  private final Form form;
  private final String obstacle;

  Tag(Form form) {
    this.label = name();
    this.form = form;
    this.obstacle = "";
  }

  Tag(String label, Form form) {
    this.label = label;
    this.form = form;
    this.obstacle = "";
  }

  /** One that is not read. */
  Tag(String obstacle) {
    this.label = name();
    this.form = Form.UNREAD;
    this.obstacle = obstacle;
  }

  /** As the description spells it. */
  String label() {
    return label;
  }

  Form form() {
    return form;
  }

  /** Why it is not read. */
  String obstacle() {
    return obstacle;
  }

  /**
   * What a label says of the layer itself, whatever goes with it: {@code W4A4_FLATQUANT_DYNAMIC}
   * and {@code W4A4_SVD_DYNAMIC} are stored as {@code W4A4_DYNAMIC} is, beside more tensors.
   */
  static Optional<Tag> of(String label) {
    String own = ADDITION.matcher(label).replaceAll("");
    return Arrays.stream(values()).filter(tag -> tag.label.equals(own)).findFirst();
  }

  /** Whether learnt matrices come before the layer, or its inputs are clipped. */
  static boolean isLearnt(String label) {
    return label.contains(LEARNT);
  }

  /** Whether a product of low rank stands beside the layer. */
  static boolean isLowRank(String label) {
    return label.contains(LOW_RANK);
  }

  /** A label with an addition where the tools put it: before the last word if that is DYNAMIC. */
  private static String with(String label, String addition) {
    return label.endsWith(DYNAMIC)
        ? label.substring(0, label.length() - DYNAMIC.length()) + addition + DYNAMIC
        : label + addition;
  }

  /** The label of a layer with what goes with it. */
  String label(boolean learnt, boolean lowRank) {
    String own = lowRank ? with(label, LOW_RANK) : label;
    return learnt ? with(own, LEARNT) : own;
  }
}
