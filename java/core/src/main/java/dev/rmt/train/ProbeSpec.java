package dev.rmt.train;

import dev.rmt.task.TaskFact;
import dev.rmt.task.TrainingFacts;
import java.util.Objects;

/**
 * A linear classifier that exists in training only, on rows of one layer's output. All stages of a curriculum share its
 * weights; each says how much its loss counts.
 *
 * @param name by which stages and metrics call it
 * @param rule which rows it reads and what they are to be told apart by
 * @param layer its output is read: 0 the embedding, l the l-th layer
 * @param firstOutput first row of the trainer's table of probe outputs
 */
public record ProbeSpec(String name, Rule rule, int layer, int firstOutput) {
    /** What a probe tells apart; {@link FactProbes} applies it. */
    public enum Rule {
        /** At each token that ends a place: which key the fact that ends there has, or none; at a question's [CLS]: the key. */
        FACT_KEY("fact-key", TaskFact.KEYS + 1),
        /** At the last place of each fact: its answer. */
        FACT_ANSWER("fact-answer", TrainingFacts.PLACES),
        /**
         * At memory rows: for each key the answer of the fact with that key that has been told, or none. A row has three
         * registers, each of them a classifier of its own that all rows share; every key has its own row and register,
         * {@link MemoryPlaces#row}.
         */
        MEMORY("memory", MemoryPlaces.REGISTERS * (TrainingFacts.PLACES + 1)),
        /** The same with a row for each object and each person, and a register for each direction. */
        OBJECT_REGISTERS("object-registers", MemoryPlaces.DIRECTION_REGISTERS * (TrainingFacts.PLACES + 1)),
        /**
         * At memory rows: the answer of the fact that the row stands for, or none. Rows 0 ... 5 stand for the facts that end
         * with place 0 ... 5, rows 6 ... 9 for those with direction or name 0 ... 3. Where two facts share a row it is left out.
         */
        SLOT_ANSWER("slot-answer", TrainingFacts.PLACES + 1),
        /** At those memory rows that stand for one fact: its key. */
        SLOT_KEY("slot-key", TaskFact.KEYS);

        private final String word;
        private final int outputs;

        Rule(String word, int outputs) {
            this.word = word;
            this.outputs = outputs;
        }

        /** Outputs that the probe has. */
        public int outputs() {
            return outputs;
        }

        /** Whether it reads memory rows and not tokens. */
        public boolean ofMemory() {
            return this != FACT_KEY && this != FACT_ANSWER;
        }

        /** The last class stands for "no fact": it has a weight of its own. */
        public boolean hasNone() {
            return this != FACT_ANSWER && this != SLOT_KEY;
        }

        /** As curricula spell it. */
        @Override
        public String toString() {
            return word;
        }
    }

    public ProbeSpec {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(rule, "rule");
        if (layer < 0 || firstOutput < 0) {
            throw new IllegalArgumentException("The probe " + name + " has layer " + layer + " and first output "
                    + firstOutput + "; both must be 0 or more.");
        }
    }

    /**
     * A probe in one stage.
     *
     * @param weight of its loss: the mean over the rows whose class is not "none", plus {@code noneWeight} times the mean over
     *     those whose class it is. 0: not used
     * @param noneWeight 0: rows of class "none" do not count
     */
    public record Use(ProbeSpec probe, double weight, double noneWeight) {
        public Use {
            if (!(weight >= 0 && weight <= 1e6) || !(noneWeight >= 0 && noneWeight <= 1e6)) {
                throw new IllegalArgumentException("The probe " + probe.name + " has the weights " + weight + " and "
                        + noneWeight + "; they must be 0 or more.");
            }
        }
    }
}
