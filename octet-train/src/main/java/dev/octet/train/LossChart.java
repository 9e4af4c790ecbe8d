package dev.octet.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** Draws the losses of a run as an SVG: training loss smoothed, validation loss as dots. */
public final class LossChart {
  private static final int WIDTH = 720;
  private static final int HEIGHT = 360;
  private static final int LEFT = 56;
  private static final int RIGHT = 16;
  private static final int TOP = 36;
  private static final int BOTTOM = 44;
  private static final int POINTS = 240;

  private final List<LossLog.Entry> training;
  private final List<LossLog.Entry> validation;
  private final double low;
  private final double high;
  private final long steps;

  private LossChart(List<LossLog.Entry> entries) {
    training = entries.stream().filter(e -> !e.validation()).toList();
    validation = entries.stream().filter(LossLog.Entry::validation).toList();
    if (training.isEmpty()) {
      throw new TrainException("the loss log holds no training step");
    }
    low = Math.floor(entries.stream().mapToDouble(LossLog.Entry::loss).min().orElse(0));
    high =
        Math.max(
            low + 1, Math.ceil(entries.stream().mapToDouble(LossLog.Entry::loss).max().orElse(1)));
    steps = training.getLast().step();
  }

  /** The chart of a {@code loss.jsonl}. */
  public static String ofLog(Path log) {
    return new LossChart(LossLog.read(log)).draw();
  }

  private String draw() {
    StringBuilder svg = new StringBuilder();
    svg.append(
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">
        <rect width="%d" height="%d" fill="#ffffff"/>
        """
            .formatted(WIDTH, HEIGHT, WIDTH, HEIGHT));
    text(svg, LEFT, 20, "start", "Cross-entropy (nats per token) by training step");
    grid(svg);
    svg.append("<polyline fill=\"none\" stroke=\"#1f77b4\" stroke-width=\"1.5\" points=\"");
    smoothed().forEach(e -> svg.append("%s,%s ".formatted(round(x(e.step())), round(y(e.loss())))));
    svg.append("\"/>\n");
    for (LossLog.Entry e : validation) {
      svg.append(
          "<circle r=\"2.5\" fill=\"#d62728\" cx=\"%s\" cy=\"%s\"/>%n"
              .formatted(round(x(e.step())), round(y(e.loss()))));
    }
    legend(svg);
    return svg.append("</svg>\n").toString().replace("\r", "");
  }

  private void grid(StringBuilder svg) {
    for (double v = low; v <= high; v++) {
      line(svg, LEFT, y(v), WIDTH - RIGHT, y(v));
      text(svg, LEFT - 8, y(v) + 4, "end", String.valueOf((int) v));
    }
    long stride = niceStride(steps);
    for (long s = 0; s <= steps; s += stride) {
      line(svg, x(s), TOP, x(s), HEIGHT - BOTTOM);
      text(svg, x(s), HEIGHT - BOTTOM + 18, "middle", String.valueOf(s));
    }
  }

  /** A round number that divides the axis into about six parts. */
  private static long niceStride(long steps) {
    long stride = 1;
    while (true) {
      for (long factor : new long[] {1, 2, 5}) {
        if (steps / (stride * factor) <= 7) {
          return stride * factor;
        }
      }
      stride *= 10;
    }
  }

  private void legend(StringBuilder svg) {
    text(
        svg,
        WIDTH - RIGHT - 8,
        TOP + 18,
        "end",
        "line: training text (mean of neighbouring steps)");
    if (!validation.isEmpty()) {
      text(svg, WIDTH - RIGHT - 8, TOP + 36, "end", "dots: held-out text");
    }
  }

  /** Means over equal stretches, so that the line has at most {@link #POINTS} corners. */
  private List<LossLog.Entry> smoothed() {
    int stretch = Math.max(1, training.size() / POINTS);
    List<LossLog.Entry> out = new ArrayList<>();
    for (int i = 0; i + stretch <= training.size(); i += stretch) {
      List<LossLog.Entry> part = training.subList(i, i + stretch);
      out.add(
          new LossLog.Entry(
              Math.round(mean(part, LossLog.Entry::step)), false, mean(part, LossLog.Entry::loss)));
    }
    return out;
  }

  private static double mean(List<LossLog.Entry> part, ToDoubleFunction<LossLog.Entry> of) {
    return part.stream().mapToDouble(of).average().orElseThrow();
  }

  private double x(long step) {
    return LEFT + (double) step / steps * (WIDTH - LEFT - RIGHT);
  }

  private double y(double loss) {
    return TOP + (high - loss) / (high - low) * (HEIGHT - TOP - BOTTOM);
  }

  private static void line(StringBuilder svg, double x1, double y1, double x2, double y2) {
    svg.append(
        "<line stroke=\"#dddddd\" x1=\"%s\" y1=\"%s\" x2=\"%s\" y2=\"%s\"/>%n"
            .formatted(round(x1), round(y1), round(x2), round(y2)));
  }

  private static void text(StringBuilder svg, double x, double y, String anchor, String text) {
    svg.append(
        "<text fill=\"#333333\" text-anchor=\"%s\" x=\"%s\" y=\"%s\">%s</text>%n"
            .formatted(anchor, round(x), round(y), text));
  }

  private static String round(double v) {
    return String.format(Locale.ROOT, "%.1f", v);
  }
}
