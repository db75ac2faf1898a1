package dev.rmt;

import dev.rmt.internal.MemoryFile;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Objects;

/**
 * All that a session knows of what it has read, a few kB: the memory, and the input that waits to become a segment.
 * Immutable. Belongs to one model.
 *
 * @param modelSha256 hash of the model, 64 hexadecimal digits
 * @param numMemTokens M
 * @param hiddenSize H
 * @param values (M, H), finite
 * @param pendingIds tokens that wait for a full segment
 * @param unfinished state of the tokenizer: an unfinished word or character, and its counts
 * @param tokens read since the text began, the pending ones included
 * @param segments run since the text began
 */
public record Memory(
        String modelSha256,
        int numMemTokens,
        int hiddenSize,
        float[] values,
        int[] pendingIds,
        byte[] unfinished,
        long tokens,
        long segments) {
    private static final int SHORT_HASH = 12;

    public Memory {
        if (!modelSha256.matches("[0-9a-f]{64}")) {
            throw new IllegalArgumentException(
                    "A model hash has 64 hexadecimal digits; this one is \"" + modelSha256 + "\".");
        }
        if (numMemTokens < 0 || hiddenSize < 1 || values.length != (long) numMemTokens * hiddenSize) {
            throw new IllegalArgumentException(
                    "A memory of " + numMemTokens + " x " + hiddenSize + " cannot have " + values.length + " values.");
        }
        for (int i = 0; i < values.length; i++) {
            if (!Float.isFinite(values[i])) {
                throw new IllegalArgumentException(
                        "Value " + i + " of the memory is " + values[i] + "; it must be finite.");
            }
        }
        if (tokens < pendingIds.length || segments < 0) {
            throw new IllegalArgumentException("A memory of " + tokens + " tokens and " + segments
                    + " segments cannot have " + pendingIds.length + " pending tokens.");
        }
        values = values.clone();
        pendingIds = pendingIds.clone();
        unfinished = unfinished.clone();
    }

    /** A copy. */
    @Override
    public float[] values() {
        return values.clone();
    }

    /** A copy. */
    @Override
    public int[] pendingIds() {
        return pendingIds.clone();
    }

    /** A copy. */
    @Override
    public byte[] unfinished() {
        return unfinished.clone();
    }

    /** Hash of memory values and pending input: two sessions with equal ones read on alike. */
    public String sha256() {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            ByteBuffer bytes = ByteBuffer.allocate(
                    4 * Integer.BYTES + (values.length + pendingIds.length) * Float.BYTES + unfinished.length);
            bytes.putInt(numMemTokens)
                    .putInt(hiddenSize)
                    .putInt(pendingIds.length)
                    .putInt(unfinished.length);
            for (float value : values) {
                bytes.putFloat(value);
            }
            for (int id : pendingIds) {
                bytes.putInt(id);
            }
            digest.update(bytes.put(unfinished).flip());
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("Every JDK has SHA-256.", e);
        }
    }

    /** The form in which {@link #write} stores it. */
    public byte[] toBytes() {
        return MemoryFile.encode(this);
    }

    /**
     * Reverses {@link #toBytes}.
     *
     * @throws ModelFormatException if the bytes are no memory, are damaged, or of another version
     */
    public static Memory ofBytes(byte[] bytes) {
        return MemoryFile.decode(bytes, "these bytes");
    }

    /**
     * Writes a file, whole or not at all; an older one of that name is replaced.
     *
     * @throws RmtException if it cannot be written
     */
    public void write(Path file) {
        MemoryFile.write(file, toBytes());
    }

    /** @throws ModelFormatException if the file is missing, no memory, damaged, or of another version */
    public static Memory read(Path file) {
        return MemoryFile.read(file);
    }

    /** @throws ModelFormatException if this memory is not of the model with that hash */
    void requireModel(String sha256) {
        if (!modelSha256.equals(sha256)) {
            throw new ModelFormatException("The memory was saved with the model " + modelSha256.substring(0, SHORT_HASH)
                    + "..., this model is " + sha256.substring(0, SHORT_HASH)
                    + "...; load the model it was saved with.");
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Memory that
                && modelSha256.equals(that.modelSha256)
                && numMemTokens == that.numMemTokens
                && hiddenSize == that.hiddenSize
                && Arrays.equals(values, that.values)
                && Arrays.equals(pendingIds, that.pendingIds)
                && Arrays.equals(unfinished, that.unfinished)
                && tokens == that.tokens
                && segments == that.segments;
    }

    @Override
    public int hashCode() {
        return Objects.hash(modelSha256, tokens, segments, Arrays.hashCode(values), Arrays.hashCode(pendingIds));
    }

    @Override
    public String toString() {
        return "Memory[" + numMemTokens + " x " + hiddenSize + " of model " + modelSha256.substring(0, SHORT_HASH)
                + "..., " + tokens + " tokens, " + segments + " segments, " + pendingIds.length + " pending]";
    }
}
