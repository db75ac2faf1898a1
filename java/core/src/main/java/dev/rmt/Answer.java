package dev.rmt;

import java.util.List;
import java.util.Objects;

/**
 * What the classifier says about a question. Arrays belong to the caller of {@code ask}: nothing else holds them.
 *
 * @param label the most probable label
 * @param index its index in {@code labels}
 * @param probabilities softmax of the logits, one for each label
 * @param logits classifier outputs, one for each label
 * @param labels names in the order of the model
 */
public record Answer(String label, int index, double[] probabilities, float[] logits, List<String> labels) {
    public Answer {
        Objects.requireNonNull(label, "label");
        labels = List.copyOf(labels);
        if (probabilities.length != labels.size() || logits.length != labels.size()) {
            throw new IllegalArgumentException("An answer needs one probability and one logit for each of "
                    + labels.size() + " labels, not " + probabilities.length + " and " + logits.length + ".");
        }
        Objects.checkIndex(index, labels.size());
    }

    /** Makes an answer from logits: softmax in double precision; of equal logits the first wins. */
    static Answer ofLogits(float[] logits, List<String> labels) {
        if (logits.length == 0) {
            throw new IllegalArgumentException("An answer needs at least one label.");
        }
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        double[] probabilities = new double[logits.length];
        double sum = 0;
        for (int i = 0; i < logits.length; i++) {
            probabilities[i] = Math.exp((double) logits[i] - logits[best]);
            sum += probabilities[i];
        }
        for (int i = 0; i < logits.length; i++) {
            probabilities[i] /= sum;
        }
        return new Answer(labels.get(best), best, probabilities, logits, labels);
    }

    /** Probability of {@link #label()}. */
    public double probability() {
        return probabilities[index];
    }
}
