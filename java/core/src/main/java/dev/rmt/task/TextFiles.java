package dev.rmt.task;

import dev.rmt.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Finds and decodes plain-text files, in constant memory. */
final class TextFiles {
    private static final int BUFFER = 1 << 16;

    private TextFiles() {}

    /** The files themselves, and for folders all their {@code *.txt} files at any depth, in the order of their paths. */
    static List<Path> expand(List<Path> filesOrFolders) {
        if (filesOrFolders.isEmpty()) {
            throw new InputException("No noise was named: give at least one text file or folder.");
        }
        List<Path> files = new ArrayList<>();
        for (Path path : filesOrFolders) {
            if (Files.isDirectory(path)) {
                files.addAll(textFilesIn(path));
            } else if (Files.isRegularFile(path)) {
                if (isEmpty(path)) {
                    throw new InputException("The noise file " + path + " is empty: give a file with text.");
                }
                files.add(path);
            } else {
                throw new InputException("The noise " + path
                        + (Files.exists(path) ? " is neither a file nor a folder" : " does not exist")
                        + ": give plain-text files or folders.");
            }
        }
        return files;
    }

    private static List<Path> textFilesIn(Path folder) {
        List<Path> files;
        // The real path, since a walk does not follow links, not even one that it starts at.
        try (Stream<Path> walk = Files.walk(folder.toRealPath())) {
            files = walk.filter(TextFiles::isTextName)
                    .filter(file -> Files.isRegularFile(file) && !isEmpty(file))
                    .sorted()
                    .toList();
        } catch (UncheckedIOException e) {
            throw unreadable(folder, e.getCause());
        } catch (IOException e) {
            throw unreadable(folder, e);
        }
        if (files.isEmpty()) {
            throw new InputException(
                    "The noise folder " + folder + " holds no *.txt file with text: name the files themselves.");
        }
        return files;
    }

    private static boolean isTextName(Path file) {
        return file.getFileName() != null
                && file.getFileName().toString().toLowerCase(Locale.ROOT).endsWith(".txt");
    }

    private static boolean isEmpty(Path file) {
        try {
            return Files.size(file) == 0;
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    private static InputException unreadable(Path path, IOException e) {
        return new InputException("The noise " + path + " cannot be read (" + e + "): check its permissions.", e);
    }

    /**
     * Decodes one UTF-8 file in pieces. Malformed bytes become U+FFFD, one for each malformed sequence.
     *
     * @return the number of malformed bytes
     * @throws InputException if the file cannot be read or holds a zero byte, which no text does
     */
    static long decode(Path file, Consumer<CharSequence> text) {
        CharsetDecoder decoder =
                StandardCharsets.UTF_8.newDecoder(); // reports what is malformed, so that it can be counted
        byte[] array = new byte[BUFFER];
        ByteBuffer bytes = ByteBuffer.wrap(array).limit(0);
        CharBuffer chars = CharBuffer.allocate(BUFFER);
        long replaced = 0;
        long offset = 0; // of the first byte that has not been read yet
        try (InputStream in = Files.newInputStream(file)) {
            boolean end = false;
            while (!end) {
                bytes.compact();
                int read = in.read(array, bytes.position(), bytes.remaining());
                end = read < 0;
                if (!end) {
                    refuseZeros(file, array, bytes.position(), read, offset);
                    offset += read;
                    bytes.position(bytes.position() + read);
                }
                bytes.flip();
                CoderResult result;
                do {
                    result = decoder.decode(bytes, chars, end);
                    if (result.isMalformed() && chars.hasRemaining()) {
                        bytes.position(bytes.position() + result.length());
                        chars.put('\uFFFD');
                        replaced += result.length();
                    } else if (!result.isUnderflow()) {
                        drain(chars, text);
                    }
                } while (!result.isUnderflow());
                drain(chars, text);
            }
            return replaced;
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    private static void drain(CharBuffer chars, Consumer<CharSequence> text) {
        text.accept(chars.flip());
        chars.clear();
    }

    private static void refuseZeros(Path file, byte[] bytes, int start, int length, long offset) {
        for (int i = 0; i < length; i++) {
            if (bytes[start + i] == 0) {
                throw new InputException("The noise file " + file + " is binary (byte " + (offset + i)
                        + " is zero): give plain text in UTF-8.");
            }
        }
    }
}
