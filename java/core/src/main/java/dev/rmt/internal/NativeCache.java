package dev.rmt.internal;

import dev.rmt.DeviceException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Folder of extracted native files. A file lies under the hash of its content, is checked each time it is used, and
 * appears by renaming: any number of processes may share the folder without a lock.
 */
final class NativeCache {
    static final String PROPERTY = "rmt.native.cache";
    static final String ENVIRONMENT = "RMT_CACHE_DIR";
    static final String HOW_TO_OVERRIDE =
            "the system property " + PROPERTY + " or the environment variable " + ENVIRONMENT;

    private final Path folder;

    NativeCache(Path folder) {
        this.folder = folder.toAbsolutePath().normalize();
    }

    /** The folder that the user named, else {@code ~/.cache/rmt} (or where XDG_CACHE_HOME says). */
    static NativeCache current() {
        String named = System.getProperty(PROPERTY, System.getenv(ENVIRONMENT));
        if (named != null && !named.isBlank()) {
            return new NativeCache(Path.of(named));
        }
        String xdg = System.getenv("XDG_CACHE_HOME");
        Path caches = xdg != null && Path.of(xdg).isAbsolute()
                ? Path.of(xdg)
                : Path.of(System.getProperty("user.home", ""), ".cache");
        return new NativeCache(caches.resolve("rmt"));
    }

    /**
     * The file with this content, written if it is not there yet or not what it should be.
     *
     * @throws DeviceException if the folder cannot be used, naming it and how to name another
     */
    Path file(String name, byte[] content) {
        Path file =
                folder.resolve(HexFormat.of().formatHex(sha256(content), 0, 16)).resolve(name);
        try {
            if (!holds(file, content)) {
                Files.createDirectories(file.getParent());
                Path temporary = unique(file);
                try {
                    write(temporary, content);
                    Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
                } finally {
                    Files.deleteIfExists(temporary);
                }
            }
            return file;
        } catch (IOException e) {
            throw unusable(e);
        }
    }

    /** A copy under a name that nobody else has. */
    Path privateCopy(Path file) throws IOException {
        Files.createDirectories(folder);
        Path copy = unique(folder.resolve(file.getFileName().toString()));
        return Files.copy(file, copy);
    }

    DeviceException unusable(IOException e) {
        return new DeviceException(
                "The native library cannot be put into the folder " + folder + " (" + reason(e)
                        + "); name another one by " + HOW_TO_OVERRIDE + ".",
                e);
    }

    private static boolean holds(Path file, byte[] content) throws IOException {
        return Files.isRegularFile(file)
                && Files.size(file) == content.length
                && Arrays.equals(Files.readAllBytes(file), content);
    }

    private static void write(Path file, byte[] content) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            java.nio.ByteBuffer bytes = java.nio.ByteBuffer.wrap(content);
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        }
    }

    private static Path unique(Path file) {
        String suffix = Long.toHexString(ThreadLocalRandom.current().nextLong());
        return file.resolveSibling("." + suffix + "-" + file.getFileName());
    }

    private static String reason(IOException e) {
        if (e instanceof AccessDeniedException) {
            return "permission denied";
        }
        if (e instanceof NoSuchFileException) {
            return "it cannot be made";
        }
        if (e instanceof FileAlreadyExistsException existing) {
            return "a file is in the way: " + existing.getFile();
        }
        if (e instanceof FileSystemException other && other.getReason() != null) {
            return other.getReason();
        }
        return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    }

    private static byte[] sha256(byte[] content) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(content);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("Every JDK has SHA-256.", e);
        }
    }
}
