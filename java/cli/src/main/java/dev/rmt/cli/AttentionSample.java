package dev.rmt.cli;

import dev.rmt.RmtModel;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.Noise;
import dev.rmt.task.Placement;
import dev.rmt.task.ReasonFacts;
import dev.rmt.task.SampleSeeds;
import dev.rmt.task.Split;
import dev.rmt.task.TaskKind;
import dev.rmt.task.TaskSample;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Which generated sample is looked at. */
final class AttentionSample {
    /** As in the paper's figure 6: facts in the first and the third of four segments. */
    private static final List<Integer> FIGURE6_FACTS = List.of(0, 2);

    private static final int FIGURE6_SEGMENTS = 4;
    private static final int MOST_TRIED = 20_000;

    @Option(
            names = "--task",
            paramLabel = "TASK",
            description =
                    "Look at a generated sample: memorize, detect or reason (default: reason, if there is no --text).")
    private TaskKind task;

    @Option(
            names = "--segments",
            paramLabel = "N",
            converter = Converters.Positive.class,
            description = "Length of the sample in segments (default: 4).")
    private Integer segments;

    @Option(
            names = "--sample",
            paramLabel = "K",
            converter = Converters.NotNegative.class,
            description = {
                "Which sample of the --seed, from 0; those of eval with the same --task and --placement (default: the"
                        + " first one with facts in --fact-segments)."
            })
    private Integer sample;

    @Option(
            names = "--fact-segments",
            paramLabel = "S",
            split = ",",
            converter = Converters.NotNegative.class,
            description = {
                "Segments that the facts of the sample lie in, from 0 (default: 0,2 for reason with 4 segments, as in the"
                        + " paper's figure; else different ones before the last, where that can be)."
            })
    private List<Integer> factSegments;

    @Option(
            names = "--placement",
            paramLabel = "HOW",
            defaultValue = "published",
            description = {
                "Where in a segment a fact lies: published (default: at its start, as in the paper's figure) or any."
            })
    private Placement placement;

    @Option(
            names = "--noise",
            paramLabel = "PATH",
            arity = "1..*",
            description = "Texts that the facts are hidden in (default: English prose from a built-in generator).")
    private List<Path> noise;

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    /** A sample and its number. */
    record Chosen(TaskKind kind, Placement placement, int number, TaskSample sample) {}

    /** Refuses what contradicts a --text, before anything is loaded. */
    void check(boolean text) {
        boolean given = task != null || segments != null || sample != null || factSegments != null || noise != null;
        if (text && given) {
            throw refusal(
                    "--text is a text of yours; --task, --segments, --sample, --fact-segments and --noise are for a"
                            + " generated sample. Give one of the two.");
        }
        if (sample != null && factSegments != null) {
            throw refusal("--sample and --fact-segments both choose the sample; give one.");
        }
        InputFile.requirePaths("--noise ", noise);
        if (factSegments != null) {
            for (int segment : factSegments) {
                if (segment >= segments()) {
                    throw refusal("There is no segment " + segment + " for --fact-segments; a sample of " + segments()
                            + " segments has 0 to " + (segments() - 1) + ".");
                }
            }
        }
    }

    int segments() {
        return segments == null ? FIGURE6_SEGMENTS : segments;
    }

    Chosen choose(RmtModel model, ModelOptions models) {
        long seed = models.seed;
        TaskKind kind = task == null ? TaskKind.REASON : task;
        models.requirePlaces(model, "samples", "; --text shows the attention of a text of yours.");
        Noise text = noise == null ? Noise.generated(model.tokenizer(), seed) : Noise.files(noise, model.tokenizer());
        int segmentSize = model.config().segmentSize();
        MemoryTask samples = new MemoryTask(
                kind, placement, model.tokenizer(), text, ReasonFacts.generated(), segmentSize, Split.VALIDATION);
        for (int number = sample == null ? 0 : sample; ; number++) {
            TaskSample drawn = samples.sample(SampleSeeds.of(seed, number), segments());
            if (sample != null || suits(kind, factSegments(drawn, segmentSize))) {
                return new Chosen(kind, placement, number, drawn);
            }
            if (number == MOST_TRIED) {
                String wanted = factSegments.stream().map(String::valueOf).collect(Collectors.joining(","));
                throw refusal(
                        "None of " + Text.count(MOST_TRIED) + " samples of " + kind + " has facts in the segments "
                                + wanted + "; --fact-segments takes "
                                + (switch (kind) {
                                    case MEMORIZE -> "0 alone.";
                                    case DETECT -> "one segment.";
                                    case REASON -> "two, ascending.";
                                }));
            }
        }
    }

    private boolean suits(TaskKind kind, List<Integer> found) {
        if (factSegments != null) {
            return factSegments.equals(found);
        }
        if (kind == TaskKind.REASON && segments() == FIGURE6_SEGMENTS) {
            return FIGURE6_FACTS.equals(found);
        }
        boolean different = found.stream().distinct().count() == found.size();
        boolean beforeLast = found.stream().allMatch(segment -> segment < segments() - 1);
        return segments() <= found.size() || (different && beforeLast);
    }

    private static List<Integer> factSegments(TaskSample sample, int segmentSize) {
        return sample.facts().stream()
                .map(fact -> (int) (fact.position() / segmentSize))
                .toList();
    }

    private ParameterException refusal(String message) {
        return new ParameterException(command.commandLine(), message);
    }
}
