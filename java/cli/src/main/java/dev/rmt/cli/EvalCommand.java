package dev.rmt.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.MemoryBudgetException;
import dev.rmt.RmtModel;
import dev.rmt.SegmentAlignment;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.Noise;
import dev.rmt.task.Placement;
import dev.rmt.task.ReasonFacts;
import dev.rmt.task.Split;
import dev.rmt.task.TaskKind;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code rmt eval}: the main job. Hides facts in long texts, asks for them at the end, counts right answers. */
@Command(
        name = "eval",
        header = "Test what a model remembers: the main job.",
        customSynopsis = "java -jar rmt.jar eval [OPTIONS]",
        description = {
            "",
            "Tests what a model remembers. A sample is a text of SEGMENTS segments with one or two facts in it and a question"
                    + " at its very end; the answer is one of six places, so guessing is right in about 17 %% of the"
                    + " samples. Prints accuracy, speed and peak memory for every task and length."
        },
        footer = {
            "  All three tasks, 1 to 4096 segments (2,043,904 tokens), built-in model:",
            "    java -jar rmt.jar eval",
            "  A model of yours, with your own books as noise:",
            "    java -jar rmt.jar eval --model my-model --noise books/ \\",
            "        --segments 1,4,16 --samples 200",
            "  One task, saved after every batch; after an interruption, go on:",
            "    java -jar rmt.jar eval --task detect --segments 1024 --json detect.json",
            "    java -jar rmt.jar eval --task detect --segments 1024 --json detect.json \\",
            "        --resume",
            "  Was it the memory? The same without it, beside the result:",
            "    java -jar rmt.jar eval --model my-model --segments 4 --control"
        })
final class EvalCommand implements Callable<Integer> {
    private static final List<Integer> DEFAULT_SEGMENTS = List.of(1, 16, 256, 4096);

    @Option(
            names = "--task",
            paramLabel = "TASK",
            split = ",",
            description = {
                "memorize (a fact at the start), detect (a fact anywhere), reason (two facts anywhere); several with commas"
                        + " (default: all three)."
            })
    private List<TaskKind> tasks = List.of(TaskKind.values());

    @Option(
            names = "--segments",
            paramLabel = "N",
            split = ",",
            converter = Converters.Positive.class,
            description = "Lengths of the samples in segments, with commas (default: 1,16,256,4096).")
    private List<Integer> segments = DEFAULT_SEGMENTS;

    @Option(
            names = "--samples",
            paramLabel = "N",
            converter = Converters.Positive.class,
            description = {
                "Samples for each task and length (default: 100, fewer where that is more than 1024 segments in all; at least"
                        + " 1)."
            })
    private Integer samples;

    @Option(
            names = "--noise",
            paramLabel = "PATH",
            arity = "1..*",
            description = {
                "Texts that facts are hidden in: files, or folders with *.txt files (default: English prose from a built-in"
                        + " generator)."
            })
    private List<Path> noise;

    @Option(
            names = "--placement",
            paramLabel = "HOW",
            defaultValue = "any",
            description = "Where facts lie: any (default: any offset in any segment) or published (as in the paper).")
    private Placement placement;

    @Option(
            names = "--facts",
            paramLabel = "FILE",
            description = "Facts of reason from a file of bAbI task 4 (default: a generator, its validation part).")
    private Path facts;

    @Option(
            names = "--alignment",
            paramLabel = "HOW",
            defaultValue = "RIGHT",
            description = "Where a short segment goes: right (default, as in the paper), left or center.")
    private SegmentAlignment alignment;

    @Option(
            names = "--reset-memory",
            description = {
                "Forget everything before the last segment: the control that shows that memory did it. Facts are kept out of"
                        + " the last segment then (where there are 2 or more), so only guessing is left."
            })
    private boolean resetMemory;

    @Option(
            names = "--control",
            description = {
                "Run every row a second time as --reset-memory does, and print that accuracy beside the first: chance, where"
                        + " memory did it. Takes twice the time."
            })
    private boolean control;

    @Option(
            names = "--batch",
            paramLabel = "N",
            converter = Converters.BatchSize.class,
            defaultValue = "8",
            description = "Samples read side by side (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = "Write the results as JSON too, anew after every batch of samples.")
    private Path json;

    @Option(
            names = "--plot",
            paramLabel = "FILE",
            converter = Converters.PictureFile.class,
            description = {
                "Draw the results, as PNG or SVG by the name of the file: accuracy with bands of 95 %% confidence, speed and"
                        + " memory. The command plot draws saved results, several in one picture."
            })
    private Path plot;

    @Option(names = "--resume", description = "Go on with what --json FILE holds; its settings must be the same.")
    private boolean resume;

    @Mixin
    private ModelOptions models;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        check();
        PrintStream out = System.out;
        try (RmtModel model = models.load()) {
            models.requirePlaces(model, "tasks", ".");
            requireBatchFits(model);
            Noise text = noise == null
                    ? Noise.generated(model.tokenizer(), models.seed)
                    : Noise.files(noise, model.tokenizer());
            ReasonFacts reasonFacts = facts == null ? ReasonFacts.generated() : ReasonFacts.fromBabi(facts);
            EvalSettings settings = settings(model, text);
            EvalFile file = new EvalFile(json, head(model, settings));
            if (resume) {
                file.resume(settings);
            }
            printHeader(out, model, text);
            List<EvalRun.Row> rows = new ArrayList<>();
            for (TaskKind kind : new LinkedHashSet<>(tasks)) {
                MemoryTask task = new MemoryTask(
                        kind,
                        placement,
                        model.tokenizer(),
                        text,
                        reasonFacts,
                        model.config().segmentSize(),
                        Split.VALIDATION);
                for (int length : new LinkedHashSet<>(segments)) {
                    rows.add(new EvalRun.Row(task, length, samples != null ? samples : defaultSamples(length)));
                }
            }
            new EvalRun(model, rows, batch, alignment, models.seed, memory(), file, json).run(out);
            if (plot != null) {
                EvalChart.save("--plot", plot, List.of(file.run(models.name())));
            }
        }
        return ExitCodes.OK;
    }

    private EvalRun.Memory memory() {
        return control ? EvalRun.Memory.BOTH : resetMemory ? EvalRun.Memory.RESET : EvalRun.Memory.KEPT;
    }

    /** Enough for a first look, few enough to wait for. */
    static int defaultSamples(int segments) {
        return Math.max(1, Math.min(100, 1024 / segments));
    }

    /** Refuses what cannot work before anything is loaded. */
    private void check() {
        models.check();
        if (tasks.isEmpty() || segments.isEmpty()) {
            throw new ParameterException(
                    spec.commandLine(),
                    (tasks.isEmpty() ? "--task" : "--segments") + " names none; give at least one.");
        }
        if (resume && json == null) {
            throw new ParameterException(spec.commandLine(), "--resume goes on with a --json FILE; name it.");
        }
        if (control && resetMemory) {
            throw new ParameterException(
                    spec.commandLine(), "--control runs with and without memory, --reset-memory without; give one.");
        }
        if (facts != null) {
            InputFile.requireReadable("--facts ", facts);
        }
        InputFile.requirePaths("--noise ", noise);
        if (json != null) {
            OutputFile.requireWritable("--json", json);
        }
        if (plot != null) {
            OutputFile.requireWritable("--plot", plot);
        }
    }

    /** Even where there are fewer samples: a batch that cannot be is refused before the long run, not at its end. */
    private void requireBatchFits(RmtModel model) {
        long needed = model.batchBytes(batch);
        long available = model.deviceInfo().availableBytes();
        if (needed > available) {
            throw new MemoryBudgetException(
                    "--batch " + batch + " needs " + needed + " bytes, and " + available + " bytes are available.");
        }
    }

    private EvalSettings settings(RmtModel model, Noise text) {
        return new EvalSettings()
                .with("version", Version.CURRENT)
                .with("model", models.name())
                .with("model_sha256", model.sha256())
                .with("device", model.deviceInfo().name())
                .with("isa", model.deviceInfo().arithmetic())
                .with("threads", model.deviceInfo().threads())
                .with("seed", models.seed)
                .with("task", tasks.stream().map(TaskKind::toString).distinct().collect(Collectors.joining(",")))
                .with(
                        "segments",
                        segments.stream().distinct().map(String::valueOf).collect(Collectors.joining(",")))
                .with("samples", samples == null ? "default" : samples)
                .with("batch", batch)
                .with("noise", noiseName())
                .with("noise_tokens", text.tokens())
                .with("placement", placement)
                .with("facts", facts == null ? "generated" : facts)
                .with("alignment", alignment)
                .with("reset_memory", resetMemory)
                .with("control", control);
    }

    private ObjectNode head(RmtModel model, EvalSettings settings) {
        ObjectNode head = Json.object();
        head.put("version", Version.CURRENT);
        head.put("device", model.deviceInfo().name());
        model.deviceInfo().gpu().ifPresent(gpu -> head.put("gpu", gpu.model()));
        model.device().notice().ifPresent(reason -> head.put("device_notice", reason));
        head.put("model", models.name());
        head.put("threads", model.deviceInfo().threads());
        head.put("seed", models.seed);
        head.put("trained", model.trained());
        head.set("settings", settings.toJson());
        return head;
    }

    private String noiseName() {
        return noise == null ? "generated" : noise.stream().map(Path::toString).collect(Collectors.joining(" "));
    }

    private void printHeader(PrintStream out, RmtModel model, Noise text) {
        Headers.of(model, models.name()).forEach(out::println);
        out.println("noise      " + (noise == null ? "generated prose" : noiseName()) + ", " + Text.count(text.tokens())
                + " tokens, " + Text.percent(text.unknownShare()) + " [UNK]");
        out.println(
                "facts      " + (facts == null ? "generated, validation part" : facts) + ", placement " + placement);
        out.println("segments   cut " + alignment
                + (resetMemory ? ", memory RESET before the last one; facts are kept out of the last one" : ""));
        if (control) {
            out.println(
                    "control    the same with memory RESET before the last segment and all facts outside it; accuracy of"
                            + " guesses: about " + Math.round(100.0 / MemoryTask.LABELS.size()) + " %");
        }
        out.println();
    }
}
