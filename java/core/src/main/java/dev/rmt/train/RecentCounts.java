package dev.rmt.train;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/** How many of several kinds of answers were right in the last steps. */
final class RecentCounts {
    private final int window;
    private final int cells;
    private final int[] right; // (window, cells), a ring
    private final int[] total;
    private long steps;

    /**
     * @param window steps that count
     * @param cells kinds of answers
     */
    RecentCounts(int window, int cells) {
        this.window = window;
        this.cells = cells;
        this.right = new int[window * cells];
        this.total = new int[window * cells];
    }

    /** Begins a step, the oldest one is forgotten. */
    void nextStep() {
        int start = (int) (steps % window) * cells;
        for (int cell = 0; cell < cells; cell++) {
            right[start + cell] = 0;
            total[start + cell] = 0;
        }
        steps++;
    }

    void add(int cell, boolean isRight) {
        int at = (int) ((steps - 1) % window) * cells + cell;
        total[at]++;
        right[at] += isRight ? 1 : 0;
    }

    /** Whether there were as many steps as count. */
    boolean isFull() {
        return steps >= window;
    }

    /** Answers of a kind within the window. */
    int total(int cell) {
        int sum = 0;
        for (int i = cell; i < total.length; i += cells) {
            sum += total[i];
        }
        return sum;
    }

    /** Share of the answers of a kind that were right; NaN where there were none. */
    double accuracy(int cell) {
        int sum = 0;
        for (int i = cell; i < right.length; i += cells) {
            sum += right[i];
        }
        return (double) sum / total(cell); // 0.0 / 0: NaN
    }

    void save(DataOutput out) throws IOException {
        out.writeInt(right.length);
        out.writeLong(steps);
        for (int i = 0; i < right.length; i++) {
            out.writeInt(right[i]);
            out.writeInt(total[i]);
        }
    }

    void restore(DataInput in) throws IOException {
        int length = in.readInt();
        if (length != right.length) {
            throw new IOException("there are " + length + " counts, not " + right.length);
        }
        steps = in.readLong();
        for (int i = 0; i < right.length; i++) {
            right[i] = in.readInt();
            total[i] = in.readInt();
        }
    }
}
