package dev.rmt.internal;

import dev.rmt.Memory;
import dev.rmt.ModelFormatException;
import dev.rmt.RmtException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * The file of a {@link Memory}, big-endian: magic (8), version (4), model hash (32), M (4), H (4), pending tokens p (4),
 * tokenizer state u (4), tokens (8), segments (8), values (4MH), pending ids (4p), tokenizer state (u), SHA-256 of all
 * that (32).
 */
public final class MemoryFile {
    private static final byte[] MAGIC = {'r', 'm', 't', 'M', 'E', 'M', '\r', '\n'};
    private static final int VERSION = 1;
    private static final int HASH_SIZE = 32;
    private static final int HEADER_SIZE = 8 + 4 + HASH_SIZE + 4 * 4 + 2 * 8;
    /** Far above every real one: a guard against reading something else into the heap. */
    private static final long MAX_SIZE = 64L << 20;

    private MemoryFile() {}

    public static byte[] encode(Memory memory) {
        float[] values = memory.values();
        int[] pending = memory.pendingIds();
        byte[] unfinished = memory.unfinished();
        ByteBuffer out = ByteBuffer.allocate(
                HEADER_SIZE + (values.length + pending.length) * Float.BYTES + unfinished.length + HASH_SIZE);
        out.put(MAGIC).putInt(VERSION).put(HexFormat.of().parseHex(memory.modelSha256()));
        out.putInt(memory.numMemTokens()).putInt(memory.hiddenSize());
        out.putInt(pending.length).putInt(unfinished.length);
        out.putLong(memory.tokens()).putLong(memory.segments());
        for (float value : values) {
            out.putFloat(value);
        }
        for (int id : pending) {
            out.putInt(id);
        }
        out.put(unfinished);
        out.put(sha256(out.array(), out.position()));
        return out.array();
    }

    /** @param name of the source, for messages */
    public static Memory decode(byte[] bytes, String name) {
        if (bytes.length < MAGIC.length || !Arrays.equals(MAGIC, Arrays.copyOf(bytes, MAGIC.length))) {
            throw new ModelFormatException(sentence(name) + " is not a saved memory; give one that save wrote.");
        }
        if (bytes.length < HEADER_SIZE + HASH_SIZE) {
            throw new ModelFormatException(
                    sentence(name) + " is cut off: " + bytes.length + " bytes of a saved memory.");
        }
        ByteBuffer in = ByteBuffer.wrap(bytes).position(MAGIC.length);
        int version = in.getInt();
        if (version != VERSION) {
            throw new ModelFormatException(sentence(name) + " has version " + version
                    + " of the format, this program reads " + VERSION + "; use the program that wrote it.");
        }
        int end = bytes.length - HASH_SIZE;
        byte[] hash = Arrays.copyOfRange(bytes, end, bytes.length);
        if (!MessageDigest.isEqual(hash, sha256(bytes, end))) {
            throw new ModelFormatException(sentence(name) + " is damaged or cut off: its checksum does not agree.");
        }
        byte[] model = new byte[HASH_SIZE];
        in.get(model);
        int numMemTokens = in.getInt();
        int hiddenSize = in.getInt();
        int pendingCount = in.getInt();
        int unfinishedSize = in.getInt();
        long tokens = in.getLong();
        long segments = in.getLong();
        boolean sane = numMemTokens >= 0 && hiddenSize > 0 && pendingCount >= 0 && unfinishedSize >= 0;
        long numValues = (long) numMemTokens * hiddenSize;
        // Each term alone is checked, so that their sum cannot overflow.
        if (!sane
                || numValues > MAX_SIZE
                || in.position() + Float.BYTES * (numValues + pendingCount) + unfinishedSize != end) {
            throw new ModelFormatException(sentence(name) + " is damaged: its sizes do not agree with its length.");
        }
        float[] values = new float[(int) numValues];
        for (int i = 0; i < values.length; i++) {
            values[i] = in.getFloat();
        }
        int[] pending = new int[pendingCount];
        for (int i = 0; i < pendingCount; i++) {
            pending[i] = in.getInt();
        }
        byte[] unfinished = new byte[unfinishedSize];
        in.get(unfinished);
        try {
            return new Memory(
                    HexFormat.of().formatHex(model),
                    numMemTokens,
                    hiddenSize,
                    values,
                    pending,
                    unfinished,
                    tokens,
                    segments);
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(sentence(name) + " is not usable: " + e.getMessage(), e);
        }
    }

    public static Memory read(Path file) {
        try {
            if (Files.isDirectory(file)) {
                throw new ModelFormatException(file + " is a directory; give the file of a saved memory.");
            }
            long size = Files.size(file);
            if (size > MAX_SIZE) {
                throw new ModelFormatException(file + " is not a saved memory: " + size + " bytes are too many.");
            }
            return decode(Files.readAllBytes(file), file.toString());
        } catch (NoSuchFileException e) {
            throw new ModelFormatException("There is no file " + file + "; check the path.", e);
        } catch (IOException e) {
            throw new ModelFormatException("Cannot read " + file + ": " + e.getMessage(), e);
        }
    }

    /** Writes beside the target, forces to the disk, renames. */
    public static void write(Path file, byte[] bytes) {
        Path target = file.toAbsolutePath().normalize();
        if (Files.isDirectory(target)) {
            throw new RmtException(file + " is a directory; give the name of a file.");
        }
        Path temporary =
                target.resolveSibling("." + target.getFileName() + "-" + Long.toHexString(System.nanoTime()) + ".tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                ByteBuffer buffer = ByteBuffer.wrap(bytes);
                while (buffer.hasRemaining()) {
                    channel.write(buffer);
                }
                channel.force(true);
            }
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            RmtException failure = new RmtException("Cannot write " + file + ": " + reason(e) + ".", e);
            try {
                Files.deleteIfExists(temporary);
            } catch (IOException again) {
                failure.addSuppressed(again);
            }
            throw failure;
        }
    }

    private static String reason(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "there is no such folder";
        }
        return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    }

    private static String sentence(String name) {
        return name.equals("these bytes") ? "This" : name;
    }

    private static byte[] sha256(byte[] bytes, int length) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(bytes, 0, length);
            return digest.digest();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("Every JDK has SHA-256.", e);
        }
    }
}
