package dev.rmt;

/**
 * What one {@code read} call of a session did. Counts are of this call, except {@code pendingTokens} and
 * {@code pendingBytes}, which say what the session holds unread now.
 *
 * @param tokens content tokens that came out of this call's input
 * @param segments segments that were run
 * @param pendingTokens tokens that wait for a full segment, 0 ... S - 1
 * @param pendingBytes UTF-8 bytes of an unfinished word or character, not yet tokens
 * @param unknownTokens tokens that are [UNK]
 * @param replacedBytes bytes of malformed UTF-8 that were replaced
 * @param seconds wall time of the call
 */
public record ReadReport(
        long tokens,
        long segments,
        int pendingTokens,
        int pendingBytes,
        long unknownTokens,
        long replacedBytes,
        double seconds) {}
