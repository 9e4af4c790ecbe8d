package dev.octet.checkpoint.internal;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** Foreign text made fit for a one-line message. */
public final class Texts {
  private static final int LONGEST = 160;

  private Texts() {}

  /** The text in single quotes, control characters escaped, cut when long. */
  public static String quote(String text) {
    return "'" + printable(text) + "'";
  }

  /** A message on one line, control characters escaped, cut when very long. */
  public static String shorten(String message) {
    return printable(message, 600);
  }

  /** The text on one line: control characters escaped, cut when long. */
  public static String printable(String text) {
    return printable(text, LONGEST);
  }

  /** Why a file could not be read or written: some exceptions say no more than its path. */
  public static String reason(IOException e) {
    return switch (e) {
      case AccessDeniedException _ -> "permission denied";
      case NoSuchFileException _ -> "no such file or directory";
      case FileAlreadyExistsException f -> printable(f.getFile()) + " is in the way";
      case DirectoryNotEmptyException _ -> "the directory is not empty";
      case FileSystemException f when f.getReason() != null -> printable(f.getReason());
      default -> printable(e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage());
    };
  }

  private static String printable(String text, int longest) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      if (i == longest) {
        return out.append('…').toString();
      }
      char c = text.charAt(i);
      if (Character.isISOControl(c) || c == '\u2028' || c == '\u2029') {
        out.append("\\u%04x".formatted((int) c));
      } else {
        out.append(c);
      }
    }
    return out.toString();
  }
}
