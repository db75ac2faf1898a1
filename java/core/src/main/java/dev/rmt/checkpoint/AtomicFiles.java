package dev.rmt.checkpoint;

import dev.rmt.RmtException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.stream.Stream;

/**
 * Writes files and folders that appear whole or not at all: under a temporary name beside the target, forced to the disk,
 * then renamed. A program that dies in between leaves only a name that begins with a dot and ends in {@code .tmp}.
 */
final class AtomicFiles {
    /** Writes the content of a file. */
    interface Content {
        void writeTo(FileChannel channel) throws IOException;
    }

    /** Writes the files of a folder. */
    interface FolderContent {
        void writeTo(Path folder) throws IOException;
    }

    private AtomicFiles() {}

    /** Writes a file, replacing one of that name. On any failure nothing is left behind and the older file stays. */
    static void write(Path file, Content content) {
        Path target = file.toAbsolutePath().normalize();
        Path temporary = temporaryName(target);
        try {
            if (Files.isDirectory(target)) {
                throw new RmtException(file + " is a directory; give the name of a file.");
            }
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                content.writeTo(channel);
                channel.force(true);
            }
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
            syncFolder(target.getParent());
        } catch (IOException e) {
            deleteAfter(e, temporary);
            throw cannotWrite(file, e);
        } catch (RuntimeException | Error e) {
            deleteAfter(e, temporary);
            throw e;
        }
    }

    /**
     * Makes a folder. The target must not exist or must be an empty folder.
     *
     * @param folder for messages and as the target
     */
    static void writeFolder(Path folder, FolderContent content) {
        writeFolder(folder, content, (temporary, target) -> move(temporary, target));
    }

    /**
     * Makes a folder in the place of another, which steps aside until the new one is there. One writer at a time.
     *
     * @param previous where the old one is meanwhile; what is left there by a crash is deleted
     */
    static void replaceFolder(Path folder, Path previous, FolderContent content) {
        deleteLeftovers(folder);
        writeFolder(folder, content, (temporary, target) -> {
            if (Files.exists(target)) {
                deleteFolder(previous);
                move(target, previous);
            }
            try {
                move(temporary, target);
            } catch (IOException e) {
                // Back to where it was; if even that fails, it is still found under its other name.
                if (Files.exists(previous)) {
                    move(previous, target);
                }
                throw e;
            }
            syncFolder(target.getParent());
            deleteFolder(previous);
        });
    }

    /** Deletes what writers of a folder left under temporary names when they were killed. */
    private static void deleteLeftovers(Path folder) {
        Path target = folder.toAbsolutePath().normalize();
        String prefix = "." + target.getFileName() + "-";
        if (!Files.isDirectory(target.getParent())) {
            return;
        }
        try (Stream<Path> siblings = Files.list(target.getParent())) {
            for (Path sibling : siblings.toList()) {
                String name = sibling.getFileName().toString();
                if (name.startsWith(prefix) && name.endsWith(".tmp") && Files.isDirectory(sibling)) {
                    deleteFolder(sibling);
                }
            }
        } catch (IOException e) {
            // They only take room; what is written next says what is wrong with the disk.
        }
    }

    /** Puts what was written in its place. */
    private interface Placement {
        void place(Path temporary, Path target) throws IOException;
    }

    private static void writeFolder(Path folder, FolderContent content, Placement placement) {
        Path target = folder.toAbsolutePath().normalize();
        Path temporary = temporaryName(target);
        try {
            Files.createDirectories(target.getParent());
            Files.createDirectory(temporary);
            content.writeTo(temporary);
            syncFiles(temporary);
            syncFolder(temporary);
            placement.place(temporary, target);
            syncFolder(target.getParent());
        } catch (IOException e) {
            deleteAfter(e, temporary);
            throw cannotWrite(folder, e);
        } catch (UncheckedIOException e) {
            deleteAfter(e, temporary);
            throw cannotWrite(folder, e.getCause());
        } catch (RuntimeException | Error e) {
            deleteAfter(e, temporary);
            throw e;
        }
    }

    private static void move(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Deletes a folder of files, if it is there. */
    private static void deleteFolder(Path folder) throws IOException {
        if (Files.isDirectory(folder)) {
            try (Stream<Path> files = Files.list(folder)) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
        }
        Files.deleteIfExists(folder);
    }

    static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    /** The time makes names of two writers differ; should they meet all the same, creating the second one fails. */
    private static Path temporaryName(Path target) {
        if (target.getFileName() == null) {
            throw new RmtException(target + " is the root of a file system; give a folder or file in it.");
        }
        return target.resolveSibling("." + target.getFileName() + "-" + Long.toHexString(System.nanoTime()) + ".tmp");
    }

    private static void syncFiles(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                    channel.force(true);
                }
            }
        }
    }

    /** Makes a rename survive a power cut. Not every system can open a folder: then there is nothing to do. */
    private static void syncFolder(Path folder) {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException e) {
            // The files themselves have been forced; only the rename is not known to be on the disk yet.
        }
    }

    private static RmtException cannotWrite(Path path, IOException e) {
        return new RmtException("Cannot write " + path + ": " + CheckedFiles.reason(e) + ".", e);
    }

    private static void deleteAfter(Throwable cause, Path temporary) {
        try {
            deleteFolder(temporary);
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
    }
}
