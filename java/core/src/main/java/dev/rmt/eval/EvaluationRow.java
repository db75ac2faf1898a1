package dev.rmt.eval;

/**
 * One line of a result: one task at one length.
 *
 * @param task "memorize", "detect" or "reason"
 * @param placement "any" or "published"
 * @param alignment "RIGHT", "LEFT" or "CENTER"
 * @param segments of each sample
 * @param tokens of each sample
 * @param samples that were read
 * @param correct samples that were answered rightly
 * @param accuracy correct / samples, 0 ... 1; 0 without samples
 * @param msPerSegment wall time / (samples x segments), in ms
 * @param tokensPerSecond tokens of all samples / wall time
 * @param peakRssBytes most resident memory of the process while the row was made; -1: not known
 */
public record EvaluationRow(
        String task,
        String placement,
        String alignment,
        int segments,
        long tokens,
        int samples,
        int correct,
        double accuracy,
        double msPerSegment,
        double tokensPerSecond,
        long peakRssBytes) {
    /** Wall time of all samples. */
    double seconds() {
        return msPerSegment * 1e-3 * samples * segments;
    }

    /** The 95 % confidence interval of the accuracy; the whole of 0 ... 1 without samples. */
    public ConfidenceInterval interval() {
        return samples == 0 ? new ConfidenceInterval(0, 1) : ConfidenceInterval.of(correct, samples);
    }
}
