package dev.octet.engine;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * Turns tokens into text one at a time without ever splitting a code point: bytes that may be the
 * beginning of one wait for the rest. Bytes that cannot become one turn into U+FFFD. All emissions
 * together are what {@link Tokenizer#decode} gives for the whole. Not thread-safe.
 */
public final class StreamingDetokenizer {
  private final Tokenizer tokenizer;
  private final boolean skipSpecial;
  private final CharsetDecoder utf8 =
      StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPLACE)
          .onUnmappableCharacter(CodingErrorAction.REPLACE);
  private byte[] waiting = Pieces.nothing();
  private boolean first;
  private int toStrip;

  StreamingDetokenizer(Tokenizer tokenizer, boolean skipSpecial, boolean continues) {
    this.tokenizer = tokenizer;
    this.skipSpecial = skipSpecial;
    this.first = !continues;
    this.toStrip = continues ? 0 : tokenizer.spelling().stripStart();
  }

  /** The text that became certain with this token; often "", never half a code point. */
  public String push(int id) {
    if (skipSpecial && tokenizer.isSpecial(id)) {
      return "";
    }
    byte[] bytes = tokenizer.bytes(id, first);
    first = false;
    return strip(decode(bytes, false));
  }

  /** What was still waiting, as U+FFFD; nothing can be pushed afterwards. */
  public String finish() {
    return strip(decode(Pieces.nothing(), true));
  }

  private String decode(byte[] bytes, boolean end) {
    ByteBuffer in = ByteBuffer.allocate(waiting.length + bytes.length);
    in.put(waiting).put(bytes).flip();
    CharBuffer out = CharBuffer.allocate(in.remaining() + 1);
    utf8.decode(in, out, end);
    if (end) {
      utf8.flush(out);
    }
    waiting = new byte[in.remaining()];
    in.get(waiting);
    return out.flip().toString();
  }

  private String strip(String text) {
    int from = 0;
    while (toStrip > 0 && from < text.length()) {
      if (text.charAt(from) != ' ') {
        toStrip = 0;
      } else {
        from++;
        toStrip--;
      }
    }
    return text.substring(from);
  }
}
