package dev.octet.train;

import dev.octet.train.bpe.BpeEncoder;
import dev.octet.train.bpe.BpeTrainer;
import dev.octet.train.bpe.BpeVocabulary;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * Training text as one long sequence of token ids for each file, and the windows drawn from it.
 *
 * <p>A file is drawn from in proportion to its tokens times its weight.
 */
final class Corpus {
  /** A line that stands between two documents of one file. */
  static final String SEPARATOR = "<|endoftext|>";

  private record Stream(int[] ids, double end) {}

  private final List<Stream> streams;
  private final int begin;
  private final long tokens;

  private Corpus(List<Stream> streams, int begin, long tokens) {
    this.streams = streams;
    this.begin = begin;
    this.tokens = tokens;
  }

  /** Learns a vocabulary from the files' text; weights play no part. */
  static BpeVocabulary learnVocabulary(List<TextSource> sources, int size) {
    BpeTrainer trainer = new BpeTrainer();
    for (TextSource source : sources) {
      documents(source.file()).forEach(trainer::add);
    }
    return trainer.train(size);
  }

  /**
   * Reads and encodes files.
   *
   * @param window tokens a drawn window holds; shorter files are refused
   */
  static Corpus encode(List<TextSource> sources, BpeVocabulary vocabulary, int window) {
    BpeEncoder encoder = new BpeEncoder(vocabulary);
    List<Stream> streams = new ArrayList<>();
    double mass = 0;
    long tokens = 0;
    for (TextSource source : sources) {
      int[] ids = encode(source.file(), encoder, vocabulary);
      if (ids.length < window) {
        throw new TrainException(
            "%s holds %d tokens, less than one window of %d: join small files or lower --context"
                .formatted(source.file(), ids.length, window));
      }
      mass += source.weight() * ids.length;
      tokens += ids.length;
      streams.add(new Stream(ids, mass));
    }
    return new Corpus(streams, vocabulary.idOf(BpeVocabulary.BEGIN), tokens);
  }

  private static int[] encode(Path file, BpeEncoder encoder, BpeVocabulary vocabulary) {
    int begin = vocabulary.idOf(BpeVocabulary.BEGIN);
    int end = vocabulary.idOf(BpeVocabulary.END);
    int[] all = new int[1024];
    int length = 0;
    for (String document : documents(file)) {
      int[] ids = encoder.encode(document);
      if (all.length - length < ids.length + 2) {
        all = Arrays.copyOf(all, Math.max(all.length * 2, length + ids.length + 2));
      }
      all[length++] = begin;
      System.arraycopy(ids, 0, all, length, ids.length);
      length += ids.length;
      all[length++] = end;
    }
    return Arrays.copyOf(all, length);
  }

  /** The documents of a file: what stands between separator lines, without white space around. */
  private static List<String> documents(Path file) {
    String text;
    try {
      text = Files.readString(file, StandardCharsets.UTF_8);
    } catch (CharacterCodingException e) {
      throw new TrainException(file + " is not UTF-8 text", e);
    } catch (IOException e) {
      throw new TrainException("cannot read " + file + ": " + TrainException.reason(e), e);
    }
    List<String> documents = new ArrayList<>();
    for (String part : text.split("(?m)^\\Q" + SEPARATOR + "\\E$", -1)) {
      String document = part.strip();
      if (!document.isEmpty()) {
        documents.add(document);
      }
    }
    if (documents.isEmpty()) {
      throw new TrainException(file + " holds no text");
    }
    return documents;
  }

  long tokens() {
    return tokens;
  }

  /** Differs, but for chance, where the text does. */
  int fingerprint() {
    return streams.stream().mapToInt(s -> Arrays.hashCode(s.ids())).reduce(1, (a, b) -> 31 * a + b);
  }

  /**
   * Draws windows: each begins with the first-token id, as sequences do in use, and goes on with
   * {@code context} consecutive tokens, of which the last is only a target.
   *
   * @param ids filled with {@code batch * context} inputs
   * @param targets filled with as many next tokens
   */
  void draw(RandomGenerator random, int batch, int context, long[] ids, long[] targets) {
    for (int b = 0; b < batch; b++) {
      int[] stream = pick(random.nextDouble() * streams.getLast().end()).ids();
      fill(stream, random.nextInt(stream.length - context + 1), context, b * context, ids, targets);
    }
  }

  private Stream pick(double at) {
    for (Stream stream : streams) {
      if (at < stream.end()) {
        return stream;
      }
    }
    return streams.getLast();
  }

  private void fill(int[] stream, int from, int context, int at, long[] ids, long[] targets) {
    for (int i = 0; i < context; i++) {
      ids[at + i] = i == 0 ? begin : stream[from + i - 1];
      targets[at + i] = stream[from + i];
    }
  }

  /** Evenly spread, never overlapping windows for validation, the same at every call. */
  int fixed(int most, int context, long[] ids, long[] targets) {
    long room = 0;
    for (Stream stream : streams) {
      room += stream.ids().length / context;
    }
    int windows = (int) Math.min(most, room);
    for (int w = 0; w < windows; w++) {
      long place = w * room / windows;
      int s = 0;
      while (place >= streams.get(s).ids().length / context) {
        place -= streams.get(s).ids().length / context;
        s++;
      }
      int from = Math.toIntExact(place * context);
      fill(streams.get(s).ids(), from, context, w * context, ids, targets);
    }
    return windows;
  }
}
