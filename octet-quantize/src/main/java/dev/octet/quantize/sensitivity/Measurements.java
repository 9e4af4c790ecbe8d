package dev.octet.quantize.sensitivity;

import dev.octet.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

/**
 * What was measured so far, each thing once. Where it has a file, every measurement is a JSON
 * object on a line of its own there the moment it is made, so that a run that is interrupted at any
 * point loses only the one in progress:
 *
 * <pre>
 * {"fingerprint":"5c1f…"}
 * {"what":"3.down w4a16 (int4 g128 sym a16)","values":[1.2E-4,3.0E-5,1.0E-5]}
 * </pre>
 *
 * <p>The first line names the model, the text and the kernels; with others the rest means nothing.
 * A last line without its end is one that was being written, and is dropped. One run at a time uses
 * a file.
 */
public final class Measurements implements AutoCloseable {
  /** Some million measurements. */
  private static final long MOST_BYTES = 256L << 20;

  private static final String BEGIN = "{\"fingerprint\":\"";

  private static final JsonFactory JSON = JsonFactory.builder().build();

  private final Map<String, double[]> known = new HashMap<>();
  private final @Nullable Path file;
  private final @Nullable FileChannel channel;

  private Measurements(@Nullable Path file, @Nullable FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  /** In memory alone. */
  public static Measurements unkept() {
    return new Measurements(null, null);
  }

  /**
   * In a file.
   *
   * @param fingerprint of all that decides what is measured, see {@link Fingerprint}
   * @param resume whether what the file holds is used; else it begins anew
   * @throws CheckpointException if the file is none of these, belongs to something else, is in use
   *     or cannot be written
   */
  public static Measurements open(Path file, String fingerprint, boolean resume) {
    @Nullable FileChannel channel = null;
    try {
      if (Files.exists(file) && !Files.isRegularFile(file)) {
        throw new CheckpointException(file + ": what has this name is no plain file");
      }
      channel =
          FileChannel.open(
              file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
      lock(file, channel);
      requireOwn(file, channel);
      Measurements opened = new Measurements(file, channel);
      if (!resume || !opened.load(fingerprint)) {
        channel.truncate(0);
        opened.append(BEGIN + fingerprint + "\"}\n");
      }
      return opened;
    } catch (IOException e) {
      close(channel);
      throw failed(file, e);
    } catch (RuntimeException e) {
      close(channel);
      throw e;
    }
  }

  /** Nothing else is ever overwritten. */
  private static void requireOwn(Path file, FileChannel channel) throws IOException {
    byte[] begin = BEGIN.getBytes(StandardCharsets.UTF_8);
    ByteBuffer found = ByteBuffer.allocate((int) Math.min(begin.length, channel.size()));
    channel.read(found, 0);
    if (!BEGIN.startsWith(new String(found.array(), StandardCharsets.UTF_8))) {
      throw new CheckpointException(file + ": holds something other than measurements");
    }
  }

  private static void lock(Path file, FileChannel channel) throws IOException {
    boolean taken;
    try {
      taken = channel.tryLock() == null;
    } catch (OverlappingFileLockException e) {
      taken = true; // by this very process
    }
    if (taken) {
      throw new CheckpointException(file + ": another run is writing it");
    }
  }

  /** Whether there was something to take up. */
  private boolean load(String fingerprint) throws IOException {
    FileChannel from = channel;
    if (from == null || from.size() == 0) {
      return false;
    }
    if (from.size() > MOST_BYTES) {
      throw new CheckpointException(file + ": too long for measurements");
    }
    ByteBuffer bytes = ByteBuffer.allocate((int) from.size());
    int count;
    do {
      count = from.read(bytes, bytes.position());
    } while (count >= 0 && bytes.hasRemaining());
    String text = new String(bytes.array(), 0, bytes.position(), StandardCharsets.UTF_8);
    int end = text.lastIndexOf('\n') + 1;
    List<String> lines = text.substring(0, end).lines().toList();
    if (lines.isEmpty()) {
      return false; // a run may end before it has written a line
    }
    if (!lines.getFirst().equals(BEGIN + fingerprint + "\"}")) {
      throw new CheckpointException(
          file
              + ": holds measurements of another model, text or machine; without --resume they are"
              + " made anew");
    }
    for (int i = 1; i < lines.size(); i++) {
      read(i + 1, lines.get(i));
    }
    long whole = text.substring(0, end).getBytes(StandardCharsets.UTF_8).length;
    from.truncate(whole);
    return true;
  }

  private void read(int number, String line) {
    try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), line)) {
      @Nullable String what = null;
      List<Double> values = new ArrayList<>();
      parser.nextToken();
      while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
        String name = parser.currentName();
        JsonToken token = parser.nextToken();
        if (name.equals("what") && token == JsonToken.VALUE_STRING) {
          what = parser.getString();
        } else if (name.equals("values") && token == JsonToken.START_ARRAY) {
          while (parser.nextToken().isNumeric()) {
            values.add(parser.getDoubleValue());
          }
        }
      }
      if (what == null || values.isEmpty()) {
        throw new CheckpointException(damaged(number));
      }
      known.put(what, values.stream().mapToDouble(Double::doubleValue).toArray());
    } catch (JacksonException e) {
      throw new CheckpointException(damaged(number), e);
    }
  }

  private String damaged(int line) {
    return "%s: line %d is no measurement; without --resume all are made anew"
        .formatted(file, line);
  }

  /** Measurements there are. */
  public int size() {
    return known.size();
  }

  boolean has(String what) {
    return known.containsKey(what);
  }

  /** What is known under that name; else it is measured, and known from then on. */
  double[] of(String what, Supplier<double[]> measure) {
    double[] found = known.get(what);
    if (found != null) {
      return found.clone();
    }
    double[] made = measure.get();
    keep(what, made);
    return made;
  }

  /** The same of a loss. */
  Loss loss(String what, Supplier<Loss> measure) {
    double[] v =
        of(
            what,
            () -> {
              Loss loss = measure.get();
              return new double[] {loss.divergence(), loss.nllChange(), loss.standardError()};
            });
    if (v.length != 3) {
      throw new CheckpointException(file + ": '" + what + "' is no loss");
    }
    return new Loss(v[0], v[1], v[2]);
  }

  private void keep(String what, double[] values) {
    known.put(what, values.clone());
    if (channel == null) {
      return;
    }
    StringBuilder line = new StringBuilder("{\"what\":\"").append(what).append("\",\"values\":[");
    for (int i = 0; i < values.length; i++) {
      line.append(i == 0 ? "" : ",").append(values[i]);
    }
    append(line.append("]}\n").toString());
  }

  private void append(String line) {
    FileChannel to = channel;
    Path where = file;
    if (to == null || where == null) {
      return;
    }
    try {
      ByteBuffer bytes = ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8));
      long at = to.size();
      while (bytes.hasRemaining()) {
        at += to.write(bytes, at);
      }
      to.force(false);
    } catch (IOException e) {
      throw failed(where, e);
    }
  }

  /** A short name for many words, of which a difference in any matters. */
  static String digest(Collection<?> words) {
    Fingerprint digest = new Fingerprint();
    words.forEach(digest::add);
    return digest.text().substring(0, 12);
  }

  private static CheckpointException failed(Path file, IOException e) {
    return new CheckpointException(file + ": cannot be written: " + e.getMessage(), e);
  }

  private static void close(@Nullable FileChannel channel) {
    if (channel != null) {
      try {
        channel.close();
      } catch (IOException e) {
        return; // there is an error to report already
      }
    }
  }

  /** A file without measurements is not left behind. */
  @Override
  public void close() {
    close(channel);
    try {
      if (file != null && known.isEmpty()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw failed(file, e);
    }
  }
}
