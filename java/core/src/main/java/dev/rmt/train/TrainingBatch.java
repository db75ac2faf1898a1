package dev.rmt.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * The segments of one forward and backward. They form trees: each reads the memory that its parent wrote, or starts from
 * the model's initial memory, or from a given one; several may read the same memory (several questions about one text, the
 * same text with another ending). Parents stand before their children.
 *
 * <p>The loss of a batch is the sum over its segments of {@code labelWeight} x cross entropy of the classifier, plus the sum
 * over their probes of {@code weight} x cross entropy: whoever wants means divides the weights. Arrays are not copied and
 * must not be changed while the batch is in use.
 *
 * @param segments parents before children
 * @param startMemories memories (M x H) from which {@link Segment#start} chooses; constants, no gradient goes on from them
 */
public record TrainingBatch(List<Segment> segments, List<float[]> startMemories) {
    /** Stands for "none" wherever an index or a label may be absent. */
    public static final int NONE = -1;

    /**
     * A linear classifier on one row of one level, for a loss that exists in training only. Its weights are {@code numOutputs}
     * rows of the trainer's table of probe outputs, from {@code firstOutput} on: probes with the same rows share weights.
     *
     * @param level 0: output of the embedding; l: output of the l-th layer, L the last. There only memory rows of a segment
     *     that writes, and [CLS] of a labelled one, exist
     * @param position position in the segment: [CLS] 0, memory row m at 1 + m, content token c at 2 + M + c
     * @param label 0 ... numOutputs - 1
     * @param weight of its cross entropy in the loss, 0 or more
     */
    public record Probe(int level, int position, int firstOutput, int numOutputs, int label, float weight) {
        public Probe {
            require(level >= 0, "level", level);
            require(position >= 0, "position", position);
            require(firstOutput >= 0, "first output", firstOutput);
            require(numOutputs >= 1, "number of outputs", numOutputs);
            require(label >= 0 && label < numOutputs, "label", label);
            if (!(weight >= 0 && weight <= Float.MAX_VALUE)) {
                throw new IllegalArgumentException(
                        "The weight of a probe is " + weight + "; it must be 0 or more, and finite.");
            }
        }

        private static void require(boolean condition, String what, int value) {
            if (!condition) {
                throw new IllegalArgumentException("A probe has the wrong " + what + " " + value + ".");
            }
        }
    }

    /**
     * One segment of one document: {@code [CLS] memory [SEP] content [SEP]}; the trainer adds all but the content.
     *
     * @param parent index of the segment whose new memory is read; {@link #NONE}: {@code start} says what is read
     * @param start index into {@link #startMemories}; NONE: the model's initial memory, a parameter. NONE where there is a
     *     parent
     * @param content ids of the content tokens, at most S
     * @param writesMemory whether a new memory is made; a question at a leaf need not
     * @param label the right class; NONE: the segment has no loss but that of its probes
     * @param labelWeight of the label's cross entropy in the loss, 0 or more
     * @param memoryNoise (M x H), added to the memory that is read, as a constant; null: nothing
     * @param dropoutKey chooses the dropout masks: the same key gives the same masks
     * @param keepsMemory whether the outcome holds the new memory, for a document that goes on in a later batch
     */
    public record Segment(
            int parent,
            int start,
            int[] content,
            boolean writesMemory,
            int label,
            float labelWeight,
            float[] memoryNoise,
            long dropoutKey,
            List<Probe> probes,
            boolean keepsMemory) {
        public Segment {
            Objects.requireNonNull(content, "content");
            probes = List.copyOf(probes);
            if (label < NONE) {
                throw new IllegalArgumentException("The label is " + label + "; it must be 0 or more, or -1 for none.");
            }
            if (!(labelWeight >= 0 && labelWeight <= Float.MAX_VALUE)) {
                throw new IllegalArgumentException(
                        "The weight of a label is " + labelWeight + "; it must be 0 or more, and finite.");
            }
            if (keepsMemory && !writesMemory) {
                throw new IllegalArgumentException("A segment that writes no memory has none to keep.");
            }
        }

        /** Whether it has a loss of its own. */
        public boolean hasLoss() {
            return label != NONE || !probes.isEmpty();
        }
    }

    public TrainingBatch {
        segments = List.copyOf(segments);
        startMemories = List.copyOf(startMemories);
        if (segments.isEmpty()) {
            throw new IllegalArgumentException("A batch needs at least one segment.");
        }
        for (int i = 0; i < segments.size(); i++) {
            Segment segment = segments.get(i);
            if (segment.parent < NONE || segment.parent >= i) {
                throw new IllegalArgumentException("Segment " + i + " reads the memory of segment " + segment.parent
                        + ", which does not stand before it.");
            }
            if (segment.parent != NONE && !segments.get(segment.parent).writesMemory) {
                throw new IllegalArgumentException(
                        "Segment " + i + " reads the memory of segment " + segment.parent + ", which writes none.");
            }
            if (segment.start < NONE || segment.start >= startMemories.size()) {
                throw new IllegalArgumentException("Segment " + i + " starts from memory " + segment.start + " of the "
                        + startMemories.size() + " there are.");
            }
            if (segment.parent != NONE && segment.start != NONE) {
                throw new IllegalArgumentException("Segment " + i + " reads both the memory of segment "
                        + segment.parent + " and start memory " + segment.start + "; it can read one only.");
            }
        }
    }

    /** A batch whose documents all start from the model's initial memory. */
    public static TrainingBatch of(List<Segment> segments) {
        return new TrainingBatch(segments, List.of());
    }

    /** Number of segments. */
    public int size() {
        return segments.size();
    }

    public Segment segment(int index) {
        return segments.get(index);
    }

    /** Content tokens of all segments. */
    public long tokens() {
        return segments.stream().mapToLong(segment -> segment.content.length).sum();
    }

    /** How many segments stand before segment {@code i} in its document, for every i: 0 for one without a parent. */
    public int[] depths() {
        int[] depths = new int[size()];
        for (int i = 0; i < depths.length; i++) {
            int parent = segments.get(i).parent;
            depths[i] = parent == NONE ? 0 : depths[parent] + 1;
        }
        return depths;
    }

    /** Collects segments; {@link #add} returns the index by which later ones name their parent. */
    public static final class Builder {
        private final List<Segment> segments = new ArrayList<>();
        private final List<float[]> startMemories = new ArrayList<>();

        /** Adds a start memory (M x H), not copied, and returns its index. */
        public int addStart(float[] memory) {
            startMemories.add(memory);
            return startMemories.size() - 1;
        }

        /** Adds a segment and returns its index. */
        public int add(Segment segment) {
            segments.add(segment);
            return segments.size() - 1;
        }

        public int size() {
            return segments.size();
        }

        /** @throws IllegalArgumentException naming the segment that does not fit the others */
        public TrainingBatch build() {
            return new TrainingBatch(segments, startMemories);
        }
    }

    /** Starts a segment that reads {@code content}, writes its memory and has no loss. */
    public static SegmentBuilder reading(int[] content) {
        return new SegmentBuilder(content);
    }

    /** A segment, said word by word: {@code reading(ids).after(parent).label(3, 0.5f).build()}. */
    public static final class SegmentBuilder {
        private final int[] content;
        private final List<Probe> probes = new ArrayList<>();
        private int parent = NONE;
        private int start = NONE;
        private boolean writesMemory = true;
        private int label = NONE;
        private float labelWeight;
        private float[] memoryNoise;
        private long dropoutKey;
        private boolean keepsMemory;

        private SegmentBuilder(int[] content) {
            this.content = content;
        }

        /** Reads the memory that this earlier segment writes. */
        public SegmentBuilder after(int segment) {
            parent = segment;
            return this;
        }

        /** Reads this start memory. */
        public SegmentBuilder from(int startMemory) {
            start = startMemory;
            return this;
        }

        public SegmentBuilder writesMemory(boolean value) {
            writesMemory = value;
            return this;
        }

        /** The right class, and the weight of its cross entropy in the loss. */
        public SegmentBuilder label(int value, float weight) {
            label = value;
            labelWeight = weight;
            return this;
        }

        /** (M x H), not copied. */
        public SegmentBuilder memoryNoise(float[] values) {
            memoryNoise = values;
            return this;
        }

        public SegmentBuilder dropoutKey(long key) {
            dropoutKey = key;
            return this;
        }

        public SegmentBuilder probe(Probe probe) {
            probes.add(probe);
            return this;
        }

        public SegmentBuilder probes(List<Probe> more) {
            probes.addAll(more);
            return this;
        }

        /** The outcome will hold the new memory. */
        public SegmentBuilder keepMemory() {
            keepsMemory = true;
            return this;
        }

        public Segment build() {
            return new Segment(
                    parent,
                    start,
                    content,
                    writesMemory,
                    label,
                    labelWeight,
                    memoryNoise,
                    dropoutKey,
                    probes,
                    keepsMemory);
        }
    }

    @Override
    public String toString() {
        return "TrainingBatch[" + size() + " segments, " + tokens() + " tokens, depth "
                + (Arrays.stream(depths()).max().orElse(0) + 1) + "]";
    }
}
