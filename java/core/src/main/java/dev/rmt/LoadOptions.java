package dev.rmt;

import java.util.Objects;
import java.util.OptionalInt;

/**
 * How to load a model directory.
 *
 * @param numMemTokens M, where {@code config.json} has no "rmt" object that says it; empty: 10
 * @param memoryRows where the initial memory comes from, if {@code config.json} does not say it
 * @param seed for what has to be made up: memory rows, pooler, classifier
 */
public record LoadOptions(OptionalInt numMemTokens, MemoryRows memoryRows, long seed) {
    /** Where the initial memory comes from. */
    public enum MemoryRows {
        /** The last M rows of the word embeddings if no piece of the vocabulary names them, else new rows; a notice says which. */
        AUTO,
        /** The last M rows of the word embeddings. */
        LAST,
        /** M new rows, N(0, 0.02), from the seed. */
        NEW
    }

    private static final long DEFAULT_SEED = 42;

    public LoadOptions {
        Objects.requireNonNull(memoryRows, "memoryRows");
        if (numMemTokens.isPresent() && numMemTokens.getAsInt() < 0) {
            throw new IllegalArgumentException(
                    "The number of memory tokens is " + numMemTokens.getAsInt() + "; it must be 0 or more.");
        }
    }

    public static LoadOptions defaults() {
        return new LoadOptions(OptionalInt.empty(), MemoryRows.AUTO, DEFAULT_SEED);
    }

    public LoadOptions withNumMemTokens(int count) {
        return new LoadOptions(OptionalInt.of(count), memoryRows, seed);
    }

    public LoadOptions withMemoryRows(MemoryRows rows) {
        return new LoadOptions(numMemTokens, rows, seed);
    }

    public LoadOptions withSeed(long value) {
        return new LoadOptions(numMemTokens, memoryRows, value);
    }
}
