package dev.rmt.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Files that commands read. */
final class InputFile {
    private InputFile() {}

    /**
     * Refuses a path that is missing, a folder, or not readable.
     *
     * @param option stands before the path in the message: "--facts ", or "" for a plain argument
     */
    static void requireReadable(String option, Path file) {
        if (!Files.exists(file)) {
            throw new UnusableFileException(option + file + ": there is no such file.");
        }
        if (Files.isDirectory(file)) {
            throw new UnusableFileException(option + file + ": that is a folder; give a file.");
        }
        if (!Files.isReadable(file)) {
            throw new UnusableFileException(option + file + ": the file may not be read by this user.");
        }
    }

    /** Refuses paths of which one does not exist. */
    static void requirePaths(String option, List<Path> paths) {
        for (Path path : paths == null ? List.<Path>of() : paths) {
            if (!Files.exists(path)) {
                throw new UnusableFileException(option + path + ": there is no such file or folder.");
            }
        }
    }
}
