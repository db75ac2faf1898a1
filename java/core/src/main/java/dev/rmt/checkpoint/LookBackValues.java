package dev.rmt.checkpoint;

import java.util.List;

/**
 * Starting values with which a BERT sees at once what stands a fixed distance away, and where a word comes again. What a
 * random start has to find out in thousands of steps, that position p + d is near position p, is there from the first.
 *
 * <p>The first {@code 4 x frequencies} dimensions of the hidden state tell the position, the others the word:
 *
 * <ul>
 *   <li>position table: {@code positionRms x sqrt(2) x (sin, cos)(w p)} for each frequency w, then the same with the other
 *       sign, so that their sum is zero at every position and LayerNorm treats all alike; zero elsewhere;
 *   <li>word and memory rows: N(0, wordDeviation), in the dimensions of the position zero;
 *   <li>layer 0, head h for each distance d: query and key turn the first HS/2 frequencies so that the head looks from
 *       position p to p + d; of the words they see nothing;
 *   <li>later layers, every second head: key = {@code sameToken} x query, so that it looks for what is like itself;
 *   <li>other matrices: N(0, linear / sqrt(fan-in)), the classifier N(0, classifier / sqrt(fan-in)); token types and biases
 *       zero.
 * </ul>
 *
 * <p>The LayerNorm of the last layer starts at {@code memoryScale}, and the pooler at its reciprocal: memory then enters the
 * next segment about as large as words do.
 *
 * <p>With {@code localPositions} nothing behind the first attention sees where in the segment a token stands, so that a fact is
 * the same thing wherever it is told: the LayerNorm of the first attention is zero in the dimensions of the position, and
 * its values do not read them. Memory leaves these dimensions empty too (the last LayerNorm is zero there), so that no
 * memory state can look like a position. Only [CLS], memory and the [SEP] behind them have a mark of their own among the
 * other dimensions of the position table. A recipe has to freeze all this.
 *
 * @param distances one head of layer 0 for each: -1 is the token before
 * @param gain of the turned frequencies
 * @param frequencies radians per token, HS/2 of them
 */
public record LookBackValues(
        List<Integer> distances,
        double gain,
        List<Double> frequencies,
        double positionRms,
        double wordDeviation,
        double linear,
        double classifier,
        double sameToken,
        double memoryScale,
        boolean localPositions) {
    /**
     * The eight frequencies for heads of 16: found by random search, so that the mean cosine over distances 1 ... 511 stays
     * below 0.55 and no other place looks like the right one.
     */
    private static final List<Double> FREQUENCIES =
            List.of(0.54418671, 0.95734152, 1.65917562, 1.69441084, 1.82437529, 1.87473368, 2.08362275, 2.17973079);

    public LookBackValues {
        distances = List.copyOf(distances);
        frequencies = List.copyOf(frequencies);
        for (double value :
                new double[] {gain, positionRms, wordDeviation, linear, classifier, sameToken, memoryScale}) {
            if (!(value >= 0 && value <= 1e3)) {
                throw new IllegalArgumentException(
                        "A starting value has the scale " + value + "; scales must be 0 ... 1000.");
            }
        }
        if (memoryScale == 0) {
            throw new IllegalArgumentException("The memory scale is 0; it must be more.");
        }
        for (double frequency : frequencies) {
            if (!(frequency > 0 && frequency < Math.PI)) {
                throw new IllegalArgumentException(
                        "A frequency is " + frequency + " rad per token; it must be more than 0 and less than pi.");
            }
        }
        for (int distance : distances) {
            if (distance == 0 || Math.abs(distance) > 100) {
                throw new IllegalArgumentException(
                        "A head looks " + distance + " tokens away; it must be -100 ... -1 or 1 ... 100.");
            }
        }
    }

    /** Those that were measured to work, for heads of 16: they look 1 to 6 tokens back and 1 and 2 ahead. */
    public static LookBackValues defaults() {
        return new LookBackValues(
                List.of(-1, -2, -3, -4, -5, -6, 1, 2), 4, FREQUENCIES, 0.2, 0.2, 0.7, 0.5, 1.3, 0.3, true);
    }

    /** Dimensions of the hidden state that tell the position. */
    int positionDimensions() {
        return 4 * frequencies.size();
    }
}
