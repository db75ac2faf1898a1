package dev.rmt.train;

import dev.rmt.RmtModel;
import dev.rmt.eval.Evaluation;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.Noise;
import dev.rmt.task.ReasonFacts;
import dev.rmt.task.Split;
import dev.rmt.task.TaskKind;
import dev.rmt.text.WordPieceTokenizer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/** Accuracy on whole samples of the memory tasks, with the facts that are kept for validation; always the same samples. */
public final class TaskValidation implements Validation {
    private final ValidationSettings settings;
    private final WordPieceTokenizer tokenizer;
    private final Noise noise;
    private final long seed;

    /**
     * @param tokenizer of the models that are measured
     * @param noise other text than that of training
     * @param seed of the samples
     */
    public TaskValidation(ValidationSettings settings, WordPieceTokenizer tokenizer, Noise noise, long seed) {
        this.settings = Objects.requireNonNull(settings, "settings");
        this.tokenizer = Objects.requireNonNull(tokenizer, "tokenizer");
        this.noise = Objects.requireNonNull(noise, "noise");
        this.seed = seed;
    }

    /** Shares of right answers, named "memorize 4": task and segments. */
    @Override
    public Map<String, Double> measure(RmtModel model) {
        Map<String, Double> figures = new LinkedHashMap<>();
        for (TaskKind kind : settings.tasks()) {
            MemoryTask task = new MemoryTask(
                    kind,
                    settings.placement(),
                    tokenizer,
                    noise,
                    ReasonFacts.generated(),
                    model.config().segmentSize(),
                    Split.VALIDATION);
            settings.samples().forEach((segments, samples) -> {
                double accuracy = Evaluation.builder(model)
                        .task(task)
                        .segments(segments)
                        .samples(samples)
                        .batchSize(Math.min(settings.batch(), samples))
                        .seed(seed)
                        .build()
                        .run()
                        .accuracy();
                figures.put(kind + " " + segments, accuracy);
            });
        }
        return figures;
    }
}
