package dev.rmt.benchmarks;

import dev.rmt.text.TokenSource;

/** A document of any length that takes no memory: some ids over and over, from a place of its own. */
final class CyclicTokens implements TokenSource {
    private final int[] ids;
    private int next;

    /** @param start where in the ids it begins */
    CyclicTokens(int[] ids, int start) {
        this.ids = ids;
        next = start % ids.length;
    }

    @Override
    public int read(int[] target, int offset, int length) {
        int count = Math.min(length, ids.length - next);
        System.arraycopy(ids, next, target, offset, count);
        next = (next + count) % ids.length;
        return count;
    }
}
