package dev.rmt.train;

import dev.rmt.ModelConfig;
import dev.rmt.task.Noise;
import dev.rmt.task.TrainingText;
import dev.rmt.text.WordPieceTokenizer;
import java.util.List;
import java.util.Objects;

/** What a stage trains on, as settings. */
public sealed interface StageData permits TaskSettings, SampleSettings {
    /**
     * What batches are made from.
     *
     * @param tokenizer of the model
     * @param noise text that facts are hidden in
     * @param text the same as near-facts and windows; only documents need it
     * @param config of the model
     * @param seed of the run
     * @param stage index of the stage: each has its own random numbers
     * @param window steps over which metrics are taken
     * @param probes used in the stage
     */
    record Source(
            WordPieceTokenizer tokenizer,
            Noise noise,
            TrainingText text,
            ModelConfig config,
            long seed,
            int stage,
            int window,
            List<ProbeSpec.Use> probes) {
        public Source {
            Objects.requireNonNull(tokenizer, "tokenizer");
            Objects.requireNonNull(noise, "noise");
            Objects.requireNonNull(config, "config");
            probes = List.copyOf(probes);
        }
    }

    /**
     * The batches.
     *
     * @throws IllegalArgumentException if the settings do not fit the model
     * @throws dev.rmt.InputException if the tasks cannot be told in the model's vocabulary or segments
     */
    TrainingData batches(Source source);
}
