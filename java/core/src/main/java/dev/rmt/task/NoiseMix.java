package dev.rmt.task;

/**
 * What the noise of training segments is made of.
 *
 * @param triggers share of segments whose noise is cut round a word of the tasks (a place, name, direction or verb), 0 ... 1
 * @param salad share of segments that are uniformly random pieces, 0 ... 1
 * @param mixed share of the other segments in which some pieces, from none to all, give way to uniformly random ones: text of
 *     a kind that was never seen
 * @param nearFacts mean number of {@link NearFacts near-facts} planted into a segment of 48 tokens; grows with the root of
 *     the length
 */
public record NoiseMix(double triggers, double salad, double mixed, double nearFacts) {
    /** Plain windows of the noise. */
    public static final NoiseMix PLAIN = new NoiseMix(0, 0, 0, 0);

    public NoiseMix {
        requireShare("triggers", triggers);
        requireShare("salad", salad);
        requireShare("mixed", mixed);
        if (!(nearFacts >= 0 && nearFacts <= 100)) {
            throw new IllegalArgumentException("near-facts are " + nearFacts + "; they must be 0 ... 100.");
        }
    }

    private static void requireShare(String what, double share) {
        if (!(share >= 0 && share <= 1)) {
            throw new IllegalArgumentException("The share of " + what + " is " + share + "; it must be 0 ... 1.");
        }
    }
}
