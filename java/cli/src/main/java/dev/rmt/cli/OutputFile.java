package dev.rmt.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** Files that commands write: checked before the work starts, replaced as a whole when they are written. */
final class OutputFile {
    private OutputFile() {}

    /**
     * Refuses a path that could not be written later: a long run must not end with its results lost. Writes nothing that
     * stays.
     *
     * @param option named in the message, "--json"
     */
    static void requireWritable(String option, Path file) {
        if (Files.isDirectory(file)) {
            throw new UnusableFileException(option + " " + file + ": a folder stands there; give the name of a file.");
        }
        Path folder = folderOf(file);
        if (!Files.isDirectory(folder)) {
            throw new UnusableFileException(
                    option + " " + file + ": there is no folder " + folder + "; make it first (mkdir -p).");
        }
        if (Files.exists(file) && !Files.isWritable(file)) {
            throw new UnusableFileException(option + " " + file + ": the file may not be written by this user.");
        }
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            return; // /dev/null, a pipe: written in place
        }
        try {
            Files.delete(Files.createTempFile(folder, ".rmt-", ".tmp"));
        } catch (IOException e) {
            throw new UnusableFileException(
                    option + " " + file + ": no file can be made in the folder " + folder + " (" + e.getMessage()
                            + ").",
                    e);
        }
    }

    /** Makes a folder if it is not there; refuses a path at which none can be. */
    static void makeFolder(String option, Path folder) {
        if (Files.exists(folder) && !Files.isDirectory(folder)) {
            throw new UnusableFileException(
                    option + " " + folder + ": a file stands there; give the name of a folder.");
        }
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new UnusableFileException(option + " " + folder + ": this user can make no folder there.", e);
        }
    }

    /** Writes a file so that a reader sees the old content or the new one, and a crash leaves one of them. */
    static void write(Path file, byte[] content) throws IOException {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            Files.write(file, content);
            return;
        }
        Path temporary = folderOf(file).resolve("." + file.getFileName() + ".tmp");
        try (FileChannel channel = FileChannel.open(
                temporary, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            ByteBuffer buffer = ByteBuffer.wrap(content);
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
            channel.force(true);
        } catch (IOException e) {
            Files.deleteIfExists(temporary);
            throw e;
        }
        try {
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static Path folderOf(Path file) {
        Path folder = file.toAbsolutePath().getParent();
        return folder == null ? file.toAbsolutePath() : folder;
    }
}
