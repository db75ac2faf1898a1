package dev.rmt.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** The memory with which a text began and after each of its segments: state 0 is the start, state s + 1 that after segment s. */
final class MemoryStates {
    /** More states than this are not drawn one by one. */
    private static final int MOST_SHOWN = 64;

    private final int numMemTokens;
    private final List<float[]> states = new ArrayList<>();

    MemoryStates(int numMemTokens) {
        this.numMemTokens = numMemTokens;
    }

    /** @param memory (M, H) */
    void add(float[] memory) {
        states.add(memory);
    }

    int size() {
        return states.size();
    }

    int numMemTokens() {
        return numMemTokens;
    }

    float[] get(int state) {
        return states.get(state);
    }

    /** Euclidean distance of two states. */
    double distance(int one, int other) {
        return distance(one, other, 0, states.get(one).length);
    }

    /** Euclidean distance of one memory token, from 0, in two states. */
    double distance(int one, int other, int token) {
        int width = states.get(one).length / numMemTokens;
        return distance(one, other, token * width, (token + 1) * width);
    }

    private double distance(int one, int other, int begin, int end) {
        float[] a = states.get(one);
        float[] b = states.get(other);
        double sum = 0;
        for (int i = begin; i < end; i++) {
            double difference = (double) a[i] - b[i];
            sum += difference * difference;
        }
        return Math.sqrt(sum);
    }

    /**
     * States that a picture shows: all but the start, which it has only where there is but one other; or so many of the first and
     * of the last that it stays readable.
     */
    int[] shown() {
        return IntStream.range(size() > 2 ? 1 : 0, size())
                .filter(state -> size() <= MOST_SHOWN || state <= MOST_SHOWN / 2 || state >= size() - MOST_SHOWN / 2)
                .toArray();
    }
}
