package dev.rmt.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.ModelFormatException;
import dev.rmt.RmtException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * A folder that is replaced as a whole, with a manifest of the SHA-256 of its files: what a long run writes again and again
 * and reads after a crash. The new one is written under a temporary name and forced to the disk; then the old one steps
 * aside to a name that ends in {@code .previous}, the new one takes its place, and the old one is deleted. At every moment one
 * of the two is there and whole.
 */
public final class HashedFolder {
    /** Written last: hash by name of each other file. */
    public static final String MANIFEST = "manifest.json";

    private static final String PREVIOUS = ".previous";
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Writes files into a new, empty folder. */
    @FunctionalInterface
    public interface Content {
        void writeTo(Path folder) throws IOException;
    }

    private HashedFolder() {}

    /**
     * Writes a folder, replacing one of that name.
     *
     * @throws RmtException if it cannot be written; the one that was there stays as it was
     */
    public static void write(Path folder, Content content) {
        if (Files.isRegularFile(folder)) {
            throw new RmtException("Cannot write " + folder + ": it is a file; give the name of a folder.");
        }
        AtomicFiles.replaceFolder(folder, previous(folder), temporary -> {
            content.writeTo(temporary);
            ObjectNode hashes = JSON.createObjectNode();
            for (Path file : files(temporary)) {
                hashes.put(file.getFileName().toString(), sha256(file));
            }
            ObjectNode manifest = JSON.createObjectNode();
            manifest.set("sha256", hashes);
            Files.write(
                    temporary.resolve(MANIFEST),
                    JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(manifest));
        });
    }

    /**
     * Finds a folder that {@link #write} made and checks all its files against their hashes.
     *
     * @return the folder, or the one before it if a crash came between the two renames; empty: there is neither
     * @throws ModelFormatException naming the file that is missing, foreign or damaged
     */
    public static Optional<Path> find(Path folder) {
        Path found = Files.isDirectory(folder) ? folder : previous(folder);
        if (!Files.isDirectory(found)) {
            return Optional.empty();
        }
        check(found);
        return Optional.of(found);
    }

    private static void check(Path folder) {
        Path manifest = folder.resolve(MANIFEST);
        JsonNode hashes = StrictJson.readObject(manifest).path("sha256");
        Set<String> listed = new TreeSet<>();
        for (Iterator<Map.Entry<String, JsonNode>> it = hashes.fields(); it.hasNext(); ) {
            Map.Entry<String, JsonNode> entry = it.next();
            listed.add(entry.getKey());
            Path file = folder.resolve(entry.getKey());
            if (!Files.isRegularFile(file)) {
                throw new ModelFormatException(manifest + " lists " + file.getFileName()
                        + ", which is not there; the checkpoint is not whole.");
            }
            String found;
            try {
                found = sha256(file);
            } catch (IOException e) {
                throw CheckedFiles.unreadable(file, e);
            }
            if (!found.equals(entry.getValue().asText())) {
                throw new ModelFormatException(file + " has the SHA-256 " + found + " but " + manifest + " says "
                        + CheckedFiles.clean(entry.getValue().asText()) + ": it was changed or damaged.");
            }
        }
        try {
            for (Path file : files(folder)) {
                String name = file.getFileName().toString();
                if (!name.equals(MANIFEST) && !listed.contains(name)) {
                    throw new ModelFormatException(
                            manifest + " does not list " + name + "; take the file out of " + folder + ".");
                }
            }
        } catch (IOException e) {
            throw CheckedFiles.unreadable(folder, e);
        }
    }

    private static Path previous(Path folder) {
        return folder.resolveSibling(folder.getFileName() + PREVIOUS);
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }

    private static String sha256(Path file) throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("Every Java platform must have SHA-256.", e);
        }
        try (InputStream in = new DigestInputStream(Files.newInputStream(file), digest)) {
            byte[] buffer = new byte[1 << 16];
            while (in.read(buffer) >= 0) {
                // The digest sees what passes.
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
