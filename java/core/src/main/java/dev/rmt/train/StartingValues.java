package dev.rmt.train;

import dev.rmt.ModelConfig;
import dev.rmt.checkpoint.LookBackValues;
import dev.rmt.checkpoint.LookBackWeights;
import dev.rmt.checkpoint.RandomWeights;
import dev.rmt.checkpoint.Weights;
import java.util.Objects;

/** What a model is made of before it has learned anything. */
public sealed interface StartingValues {
    /**
     * The weights of a model; the same seed gives the same.
     *
     * @throws IllegalArgumentException if the model is too small for these values
     */
    Weights weights(ModelConfig config, long seed);

    /**
     * BERT's: N(0, deviation) for matrices and memory, LayerNorm 1 and 0, biases 0.
     *
     * @param deviation 0.02 in BERT
     */
    record Bert(double deviation) implements StartingValues {
        public Bert {
            if (!(deviation > 0 && deviation <= 10)) {
                throw new IllegalArgumentException("The deviation of the starting values is " + deviation
                        + "; it must be more than 0, at most 10.");
            }
        }

        @Override
        public Weights weights(ModelConfig config, long seed) {
            return new RandomWeights(config, seed, deviation);
        }
    }

    /** Heads that see from the first what stands a fixed distance away. */
    record LookBack(LookBackValues values) implements StartingValues {
        public LookBack {
            Objects.requireNonNull(values, "values");
        }

        @Override
        public Weights weights(ModelConfig config, long seed) {
            return new LookBackWeights(config, values, seed);
        }
    }
}
