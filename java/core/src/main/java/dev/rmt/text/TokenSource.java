package dev.rmt.text;

/**
 * Content token ids, one after the other: a text being tokenised, or a generated sample. Special tokens are never among
 * them. The source keeps its own place; nothing of what it gave is kept.
 */
public interface TokenSource {
    /**
     * Writes up to {@code length} ids to {@code ids[offset ...]}.
     *
     * @return how many were written: at least 1 as long as there are any, 0 only if {@code length} is 0, -1 at the end
     */
    int read(int[] ids, int offset, int length);
}
