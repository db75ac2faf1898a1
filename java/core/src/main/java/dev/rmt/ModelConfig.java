package dev.rmt;

import java.util.List;

/**
 * Shape of an RMT over a BERT encoder. Checked on construction.
 *
 * @param hiddenSize H, a multiple of {@code numHeads}
 * @param numLayers L
 * @param numHeads NH
 * @param intermediateSize F
 * @param vocabSize V, rows of the word embeddings without the memory rows
 * @param maxPositions P, rows of the position table
 * @param typeVocabSize rows of the token-type table; row 0 is used
 * @param layerNormEps added to the variance in every LayerNorm
 * @param numMemTokens M; 0: no memory
 * @param inputLength T, positions of one segment, at most P
 * @param labels names of the classifier's outputs; empty: no classifier
 */
public record ModelConfig(
        int hiddenSize,
        int numLayers,
        int numHeads,
        int intermediateSize,
        int vocabSize,
        int maxPositions,
        int typeVocabSize,
        float layerNormEps,
        int numMemTokens,
        int inputLength,
        List<String> labels) {
    /** Positions of a segment that are neither memory nor content: [CLS] and two [SEP]. */
    public static final int SPECIAL_TOKENS = 3;

    public ModelConfig {
        labels = List.copyOf(labels);
        requirePositive("hidden size", hiddenSize);
        requirePositive("number of layers", numLayers);
        requirePositive("number of heads", numHeads);
        requirePositive("intermediate size", intermediateSize);
        requirePositive("vocabulary size", vocabSize);
        requirePositive("number of positions", maxPositions);
        requirePositive("token-type vocabulary size", typeVocabSize);
        requirePositive("input length", inputLength);
        if (hiddenSize % numHeads != 0) {
            throw new IllegalArgumentException(
                    "The hidden size " + hiddenSize + " is not a multiple of the number of heads " + numHeads + ".");
        }
        if (!(layerNormEps > 0 && layerNormEps < 1)) {
            throw new IllegalArgumentException(
                    "The LayerNorm epsilon is " + layerNormEps + "; it must lie between 0 and 1.");
        }
        if (numMemTokens < 0) {
            throw new IllegalArgumentException(
                    "The number of memory tokens is " + numMemTokens + "; it must be 0 or more.");
        }
        if (inputLength > maxPositions) {
            throw new IllegalArgumentException("The input length " + inputLength + " exceeds the " + maxPositions
                    + " positions of the position table.");
        }
        if ((long) inputLength - numMemTokens - SPECIAL_TOKENS < 1) {
            throw new IllegalArgumentException(
                    "An input length of " + inputLength + " leaves no room for content beside " + numMemTokens
                            + " memory tokens and " + SPECIAL_TOKENS + " special tokens.");
        }
    }

    private static void requirePositive(String what, int value) {
        if (value < 1) {
            throw new IllegalArgumentException("The " + what + " is " + value + "; it must be 1 or more.");
        }
    }

    /** S: content tokens that a segment can hold, {@code inputLength - M - 3}. */
    public int segmentSize() {
        return inputLength - numMemTokens - SPECIAL_TOKENS;
    }

    /** HS: hidden size of one head. */
    public int headSize() {
        return hiddenSize / numHeads;
    }

    public int numLabels() {
        return labels.size();
    }

    /** A builder that starts from this configuration. */
    public Builder toBuilder() {
        return builder()
                .hiddenSize(hiddenSize)
                .numLayers(numLayers)
                .numHeads(numHeads)
                .intermediateSize(intermediateSize)
                .vocabSize(vocabSize)
                .maxPositions(maxPositions)
                .typeVocabSize(typeVocabSize)
                .layerNormEps(layerNormEps)
                .numMemTokens(numMemTokens)
                .inputLength(inputLength)
                .labels(labels);
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Sizes start from those of a tiny BERT in the paper's geometry (512 / 10 / 499); the vocabulary size must be given. */
    public static final class Builder {
        private int hiddenSize = 128;
        private int numLayers = 2;
        private int numHeads = 2;
        private int intermediateSize = 512;
        private int vocabSize;
        private int maxPositions = 512;
        private int typeVocabSize = 2;
        private float layerNormEps = 1e-12f;
        private int numMemTokens = 10;
        private int inputLength = 512;
        private List<String> labels = List.of();

        private Builder() {}

        public Builder hiddenSize(int value) {
            hiddenSize = value;
            return this;
        }

        public Builder numLayers(int value) {
            numLayers = value;
            return this;
        }

        public Builder numHeads(int value) {
            numHeads = value;
            return this;
        }

        public Builder intermediateSize(int value) {
            intermediateSize = value;
            return this;
        }

        public Builder vocabSize(int value) {
            vocabSize = value;
            return this;
        }

        public Builder maxPositions(int value) {
            maxPositions = value;
            return this;
        }

        public Builder typeVocabSize(int value) {
            typeVocabSize = value;
            return this;
        }

        public Builder layerNormEps(float value) {
            layerNormEps = value;
            return this;
        }

        public Builder numMemTokens(int value) {
            numMemTokens = value;
            return this;
        }

        public Builder inputLength(int value) {
            inputLength = value;
            return this;
        }

        public Builder labels(List<String> value) {
            labels = List.copyOf(value);
            return this;
        }

        /** @throws IllegalArgumentException naming the first size that is wrong */
        public ModelConfig build() {
            return new ModelConfig(
                    hiddenSize,
                    numLayers,
                    numHeads,
                    intermediateSize,
                    vocabSize,
                    maxPositions,
                    typeVocabSize,
                    layerNormEps,
                    numMemTokens,
                    inputLength,
                    labels);
        }
    }
}
