package dev.rmt.train;

import dev.rmt.task.NoiseMix;
import java.util.List;

/**
 * What {@link TaskBatches} makes: a step reads a chunk of a few segments of several documents, and asks questions of the
 * memory behind some of them.
 *
 * @param segments of a chunk, 1 or more
 * @param lengths how long segments are, and how many documents a step has then
 * @param questions that are asked
 * @param tasks which documents there are
 * @param practice documents that are easier than the tasks
 * @param together share of documents with two facts whose facts are told in the same segment on purpose
 * @param late facts that are told long after a document has begun
 * @param carry whether a document goes on in a later step
 * @param memoryNoise what is added to memory
 * @param noise what segments hold beside facts and questions
 */
public record TaskSettings(
        int segments,
        List<LengthClass> lengths,
        Questions questions,
        Tasks tasks,
        Practice practice,
        double together,
        Late late,
        Carry carry,
        MemoryNoise memoryNoise,
        NoiseMix noise)
        implements StageData {
    /**
     * One kind of steps: all segments of a step have the same length. Classes whose length x batch is equal cost the same.
     *
     * @param share of the steps; shares are divided by their sum
     * @param batch documents of a step
     * @param from fewest content tokens of a segment
     * @param to most content tokens
     * @param full share of these steps whose segments have exactly {@code to} tokens, 0 ... 1
     */
    public record LengthClass(double share, int batch, int from, int to, double full) {
        public LengthClass {
            requirePositive("share of a length class", share);
            requireAtLeast("batch of a length class", batch, 1);
            requireAtLeast("shortest segment", from, 1);
            requireAtLeast("longest segment", to, from);
            requireShare("full segments", full);
        }
    }

    /**
     * Every first question of a document is asked behind the last segment of the chunk, every second one behind a random
     * earlier one, or before all. A fact that memory cannot hold yet is put into the question's own segment.
     *
     * @param perDocument of each step, 1 or more
     * @param longShare share of steps whose question segments are as long as the others, where those are longer than
     *     {@code shortTo}
     * @param shortFrom otherwise: fewest content tokens of a question segment
     * @param shortTo and most
     */
    public record Questions(int perDocument, double longShare, int shortFrom, int shortTo) {
        public Questions {
            requireAtLeast("number of questions", perDocument, 1);
            requireShare("long question segments", longShare);
            requireAtLeast("shortest question segment", shortFrom, 1);
            requireAtLeast("longest of the short question segments", shortTo, shortFrom);
        }
    }

    /**
     * Shares of the documents; divided by their sum.
     *
     * @param memorize one fact at the very start
     * @param detect one fact anywhere
     * @param reason two facts about three places
     * @param several up to {@code maxFacts} facts of one kind, for practice: so many pairs of facts that none can be learned
     *     by heart
     * @param maxFacts 2 ... 8, of which persons at most one for each name
     * @param relations share of "several" that tell of places, not of persons
     */
    public record Tasks(double memorize, double detect, double reason, double several, int maxFacts, double relations) {
        public Tasks {
            double sum = 0;
            for (double share : new double[] {memorize, detect, reason, several}) {
                if (!(share >= 0 && share < Double.POSITIVE_INFINITY)) {
                    throw new IllegalArgumentException("A task has the share " + share + "; it must be 0 or more.");
                }
                sum += share;
            }
            requirePositive("sum of the shares of tasks", sum);
            if (maxFacts < 2 || maxFacts > 8) {
                throw new IllegalArgumentException("The most facts are " + maxFacts + "; they must be 2 ... 8.");
            }
            requireShare("documents about places", relations);
        }
    }

    /**
     * Documents among those of "reason".
     *
     * @param oneRelation share with a single fact
     * @param twoRelations share with two facts about four places
     */
    public record Practice(double oneRelation, double twoRelations) {
        public Practice {
            requireShare("practice documents", oneRelation);
            requireShare("practice documents", twoRelations);
            requireShare("all practice documents", oneRelation + twoRelations);
        }
    }

    /**
     * @param share of the facts, but for those of "memorize"
     * @param segments they are told before this many; log-uniform
     */
    public record Late(double share, int segments) {
        public Late {
            requireShare("late facts", share);
            requireAtLeast("number of segments for late facts", segments, 1);
        }
    }

    /**
     * A document goes on from its memory, as a constant, if all questions of its step were answered rightly, and if the
     * probes find its facts in its memory.
     *
     * @param probability that it does
     * @param maxAge it does not once it has this many segments
     * @param streams documents that are under way; a step takes some of them
     */
    public record Carry(double probability, int maxAge, int streams) {
        public Carry {
            requireShare("documents that go on", probability);
            requireAtLeast("greatest age", maxAge, 1);
            requireAtLeast("number of streams", streams, 1);
        }
    }

    /**
     * @param deviation standard deviation of what is added to each number of the memory that a segment reads
     * @param share of the segments, 0 ... 1
     */
    public record MemoryNoise(double deviation, double share) {
        public MemoryNoise {
            if (!(deviation >= 0 && deviation <= 10)) {
                throw new IllegalArgumentException(
                        "The deviation of memory noise is " + deviation + "; it must be 0 ... 10.");
            }
            requireShare("segments with memory noise", share);
        }
    }

    public TaskSettings {
        requireAtLeast("number of segments", segments, 1);
        lengths = List.copyOf(lengths);
        if (lengths.isEmpty()) {
            throw new IllegalArgumentException("There is no length class; give at least one.");
        }
        requireShare("documents whose facts are told together", together);
        for (LengthClass length : lengths) {
            if (length.batch() > carry.streams()) {
                throw new IllegalArgumentException("A length class has a batch of " + length.batch()
                        + " documents, but there are " + carry.streams() + " streams; give as many streams or more.");
            }
        }
    }

    @Override
    public TrainingData batches(Source source) {
        return new TaskBatches(this, source);
    }

    private static void requireShare(String what, double share) {
        if (!(share >= 0 && share <= 1)) {
            throw new IllegalArgumentException("The share of " + what + " is " + share + "; it must be 0 ... 1.");
        }
    }

    private static void requirePositive(String what, double value) {
        if (!(value > 0 && value < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("The " + what + " is " + value + "; it must be more than 0.");
        }
    }

    private static void requireAtLeast(String what, int value, int least) {
        if (value < least) {
            throw new IllegalArgumentException("The " + what + " is " + value + "; it must be " + least + " or more.");
        }
    }
}
