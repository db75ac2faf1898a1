package dev.rmt.train;

import java.util.Arrays;

/** What the forward of a {@link TrainingBatch} gave. Segments and probes are numbered as in the batch. */
public final class TrainingOutcome {
    private final TrainingBatch batch;
    private final double[] losses;
    private final float[][] logits;
    private final double[][] probeLosses;
    private final int[][] probePredictions;
    private final float[][] memories;

    /** Nothing is known yet; {@link Backpropagation} fills it. */
    TrainingOutcome(TrainingBatch batch) {
        this.batch = batch;
        int size = batch.size();
        losses = new double[size];
        logits = new float[size][];
        probeLosses = new double[size][];
        probePredictions = new int[size][];
        memories = new float[size][];
    }

    /** Takes what was seen of one segment; arrays are copied. */
    void put(
            int segment,
            double loss,
            float[] itsLogits,
            double[] itsProbeLosses,
            int[] itsProbePredictions,
            float[] newMemory) {
        losses[segment] = loss;
        logits[segment] = itsLogits;
        probeLosses[segment] = itsProbeLosses;
        probePredictions[segment] = itsProbePredictions;
        memories[segment] = newMemory;
    }

    public TrainingBatch batch() {
        return batch;
    }

    /** The loss of the batch: weighted cross entropies of all labels and probes, added up. */
    public double loss() {
        double sum = 0;
        for (int i = 0; i < batch.size(); i++) {
            TrainingBatch.Segment segment = batch.segment(i);
            if (segment.label() != TrainingBatch.NONE) {
                sum += segment.labelWeight() * losses[i];
            }
            for (int p = 0; p < segment.probes().size(); p++) {
                sum += segment.probes().get(p).weight() * probeLosses[i][p];
            }
        }
        return sum;
    }

    /** Cross entropy of a segment's label, not weighted; 0 where there is none. */
    public double loss(int segment) {
        return losses[segment];
    }

    /** (labels): outputs of the classifier. @throws IllegalArgumentException where the segment has no label */
    public float[] logits(int segment) {
        requireLabel(segment);
        return logits[segment].clone();
    }

    /** The most probable class, the first of equals. @throws IllegalArgumentException where the segment has no label */
    public int prediction(int segment) {
        requireLabel(segment);
        float[] values = logits[segment];
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) {
                best = i;
            }
        }
        return best;
    }

    /** Whether the most probable class of a labelled segment is its label. */
    public boolean correct(int segment) {
        return prediction(segment) == batch.segment(segment).label();
    }

    /** Cross entropy of a probe, not weighted. */
    public double probeLoss(int segment, int probe) {
        return probeLosses[segment][probe];
    }

    /** The most probable class of a probe, counted from its own first output. */
    public int probePrediction(int segment, int probe) {
        return probePredictions[segment][probe];
    }

    /**
     * The memory (M x H) that a segment wrote.
     *
     * @throws IllegalArgumentException where the batch did not ask for it
     */
    public float[] memory(int segment) {
        if (!batch.segment(segment).keepsMemory()) {
            throw new IllegalArgumentException(
                    "The memory of segment " + segment + " was not kept; say keepMemory() when the batch is made.");
        }
        return memories[segment].clone();
    }

    private void requireLabel(int segment) {
        if (batch.segment(segment).label() == TrainingBatch.NONE) {
            throw new IllegalArgumentException(
                    "Segment " + segment + " has no label, so the classifier did not read it.");
        }
    }

    @Override
    public String toString() {
        return "TrainingOutcome[" + loss() + ", " + Arrays.toString(losses) + "]";
    }
}
