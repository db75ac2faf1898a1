package dev.rmt.internal;

import dev.rmt.DeviceException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
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

    /** A library is read in pieces: as a whole it would be the largest thing on a small heap. */
    private static final int PIECE = 1 << 14;

    private final Path folder;

    /** What a file is to hold. Opened more than once, and the same each time. */
    @FunctionalInterface
    interface Content {
        InputStream open() throws IOException;
    }

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
     * @throws IOException if the content cannot be read
     */
    Path file(String name, Content content) throws IOException {
        byte[] hash = sha256(content);
        Path file = folder.resolve(HexFormat.of().formatHex(hash, 0, 16)).resolve(name);
        try {
            if (!holds(file, hash)) {
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

    private static boolean holds(Path file, byte[] hash) throws IOException {
        return Files.isRegularFile(file) && Arrays.equals(sha256(() -> Files.newInputStream(file)), hash);
    }

    private static void write(Path file, Content content) throws IOException {
        try (InputStream in = content.open()) {
            Files.copy(in, file);
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

    private static byte[] sha256(Content content) throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("Every JDK has SHA-256.", e);
        }
        try (InputStream in = content.open()) {
            byte[] piece = new byte[PIECE];
            for (int count = in.read(piece); count >= 0; count = in.read(piece)) {
                digest.update(piece, 0, count);
            }
        }
        return digest.digest();
    }
}
