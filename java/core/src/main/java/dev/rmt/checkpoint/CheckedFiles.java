package dev.rmt.checkpoint;

import dev.rmt.ModelFormatException;
import dev.rmt.RmtException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;

/** Opens and reads files of a model, and says in one sentence why one cannot be used. */
final class CheckedFiles {
    private static final int MAX_SHOWN = 120;

    private CheckedFiles() {}

    /**
     * Opens a regular file for reading. What is not regular is refused before opening: to open a named pipe would wait
     * for its writer, and to open a device may have effects.
     */
    static FileChannel open(Path file) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            if (attributes.isDirectory()) {
                throw new ModelFormatException(file + " is a directory; a file is expected there.");
            }
            if (!attributes.isRegularFile()) {
                throw new ModelFormatException(file + " is a pipe or a device; only a regular file can be read.");
            }
            return FileChannel.open(file, StandardOpenOption.READ);
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    /** The whole file, at most {@code maxBytes} of it: more is refused. */
    static byte[] readAll(Path file, int maxBytes) {
        try (FileChannel channel = open(file)) {
            long size = channel.size();
            if (size > maxBytes) {
                throw new ModelFormatException(file + " has " + size + " bytes; at most " + maxBytes
                        + " are expected. Check that it is the right file.");
            }
            byte[] bytes = new byte[(int) size];
            readFully(file, channel, ByteBuffer.wrap(bytes), 0, size);
            return bytes;
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    /** Fills the rest of {@code target} from {@code position} on; a file that ends early has shrunk since it was opened. */
    static void readFully(Path file, FileChannel channel, ByteBuffer target, long position, long sizeWhenOpened) {
        try {
            long at = position;
            while (target.hasRemaining()) {
                int count = channel.read(target, at);
                if (count < 0) {
                    throw new ModelFormatException(
                            file + " had " + sizeWhenOpened + " bytes when it was opened and has " + channel.size()
                                    + " now; do not change a model while it is being loaded.");
                }
                at += count;
            }
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    static RmtException unreadable(Path file, IOException e) {
        if (e instanceof ClosedByInterruptException) {
            return new RmtException("Reading " + file + " was interrupted.", e);
        }
        return new ModelFormatException(file + " cannot be read: " + reason(e) + ".", e);
    }

    /** What an I/O error says, without the file name that the caller already gives. */
    static String reason(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "no such file or directory";
        }
        if (e instanceof AccessDeniedException) {
            return "permission denied";
        }
        if (e instanceof FileAlreadyExistsException) {
            return "it exists already";
        }
        if (e instanceof DirectoryNotEmptyException) {
            return "the folder is not empty";
        }
        if (e instanceof FileSystemException f && f.getReason() != null) {
            return clean(f.getReason());
        }
        return e.getMessage() == null ? e.getClass().getSimpleName() : clean(e.getMessage());
    }

    /** A text out of a file, fit to be shown: in quotes, without control characters, cut. */
    static String quote(String text) {
        return '"' + clean(text) + '"';
    }

    /** One line without control characters, cut to a length that fits into a sentence. */
    static String clean(String text) {
        StringBuilder shown = new StringBuilder();
        boolean cut = text.length() > MAX_SHOWN;
        for (int i = 0; i < (cut ? MAX_SHOWN : text.length()); i++) {
            char c = text.charAt(i);
            shown.append(Character.isISOControl(c) || Character.isSurrogate(c) ? '?' : c);
        }
        return cut ? shown + "..." : shown.toString();
    }
}
