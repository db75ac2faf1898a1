package dev.rmt.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.Answer;
import dev.rmt.InputException;
import dev.rmt.ReadReport;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.task.TaskSample;
import dev.rmt.task.TaskSample.Placed;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code rmt attention}: shows what a model attends to while it reads, and what becomes of its memory. */
@Command(
        name = "attention",
        header = "See what a model attends to, and what its memory does.",
        customSynopsis = "java -jar rmt.jar attention [OPTIONS]",
        description = {
            "",
            "Reads a generated sample or a text of yours and shows the attention of chosen layers, heads and segments, as in"
                    + " figure 6 of the RMT paper. Finds by itself the heads in which memory takes up a fact, keeps it, takes"
                    + " up a second one and is read for the answer, and prints what share of their attention goes there. The"
                    + " folder of --out gets pictures (figure6, memory), the full maps as NumPy arrays (segment-S.npy:"
                    + " layers, heads, rows, columns; memory.npy: states, memory tokens, hidden size), and attention.json with"
                    + " labels, positions and shares. Segments, layers, heads and positions are counted from 0."
        },
        footer = {
            "  The four operations of memory in the built-in model:",
            "    java -jar rmt.jar attention --out attention",
            "  All heads of one layer, in the segment of the second fact:",
            "    java -jar rmt.jar attention --layers 2 --show-segments 2",
            "  One head, chosen positions, a longer sample of another task:",
            "    java -jar rmt.jar attention --task detect --segments 16 \\",
            "        --layers 1 --heads 3 --range 0-20,500-511",
            "  A text and a model of yours:",
            "    java -jar rmt.jar attention --model my-model --text book.txt \\",
            "        --question \"Where is Daniel?\""
        })
final class AttentionCommand implements Callable<Integer> {
    private static final String STDIN = "-";
    private static final int MOST_PICTURES = 256;

    @Option(names = "--text", paramLabel = "FILE", description = "Look at this text in UTF-8; - is stdin.")
    private String text;

    @Option(names = "--question", paramLabel = "TEXT", description = "Ask this at the end of the --text.")
    private String question;

    @Mixin
    private AttentionSample samples;

    @Option(
            names = "--layers",
            paramLabel = "L",
            split = ",",
            converter = Converters.NotNegative.class,
            description = "Layers to look at (default: all). With this or one of the next two, every map is drawn.")
    private List<Integer> layers;

    @Option(
            names = "--heads",
            paramLabel = "H",
            split = ",",
            converter = Converters.NotNegative.class,
            description = "Heads to look at (default: all).")
    private List<Integer> heads;

    @Option(
            names = "--show-segments",
            paramLabel = "S",
            split = ",",
            converter = Converters.NotNegative.class,
            description = {
                "Segments to look at (default: those of a sample with facts, one without, and the last; of a text the first two"
                        + " and the end)."
            })
    private List<Integer> shown;

    @Option(
            names = "--range",
            paramLabel = "P",
            split = ",",
            converter = Converters.Range.class,
            description = {
                "Positions that are drawn, as 0-29,500-511 (default: [CLS], memory, facts and question, and the first others up"
                        + " to 30)."
            })
    private List<int[]> ranges;

    @Option(
            names = "--format",
            paramLabel = "FORMAT",
            defaultValue = "png",
            description = "Of the pictures: png (default) or svg.")
    private Picture.Format format;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            defaultValue = "attention",
            description = "Folder for the results, made if it is not there (default: ${DEFAULT-VALUE}).")
    private Path folder;

    @Option(names = "--json", paramLabel = "FILE", description = "Write attention.json to this file instead.")
    private Path json;

    @Mixin
    private ModelOptions models;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        check();
        PrintStream out = System.out;
        try (RmtModel model = models.load()) {
            AttentionSample.Chosen sample = text == null ? samples.choose(model, models) : null;
            List<Placed> facts = sample == null ? List.of() : sample.sample().facts();
            String asked =
                    sample == null ? question : sample.sample().question().text();
            if (asked != null && model.config().numLabels() == 0) {
                throw new InputException(models.name() + " has no classifier, so it cannot answer --question.");
            }
            AttentionRun.Settings settings = settings(model, facts);
            int questionTokens = asked == null ? 0 : model.tokenizer().encode(asked).length;
            AttentionRun run = new AttentionRun(settings, model, facts, questionTokens);
            Headers.of(model, models.name()).forEach(out::println);
            Answer answer = read(model, run, sample, asked);
            requireShown(run);
            save(run, model, sample, answer);
            AttentionReport.print(out, model, run, sample, answer);
            run.draw();
            out.println();
            out.println("files      " + folder + ": " + String.join(", ", run.files()));
            run.problems().forEach(System.err::println);
            return run.problems().isEmpty() ? ExitCodes.OK : ExitCodes.FAILED;
        }
    }

    /** Refuses what cannot work before anything is loaded. */
    private void check() throws IOException {
        models.check();
        samples.check(text != null);
        if (question != null && text == null) {
            throw refusal("--question is for a --text; a generated sample has its own.");
        }
        if (question != null && question.isBlank()) {
            throw refusal("--question is empty.");
        }
        if (text != null && !text.equals(STDIN)) {
            InputFile.requireReadable("--text ", Path.of(text));
        }
        if (json != null) {
            OutputFile.requireWritable("--json", json);
        }
        OutputFile.makeFolder("--out", folder);
        if (json == null) {
            OutputFile.requireWritable("--out", folder.resolve(AttentionReport.FILE));
        }
    }

    private AttentionRun.Settings settings(RmtModel model, List<Placed> facts) {
        int numLayers = model.config().numLayers();
        int numHeads = model.config().numHeads();
        List<Integer> chosenLayers = chosen("layer", "the model", layers, numLayers);
        List<Integer> chosenHeads = chosen("head", "a layer", heads, numHeads);
        List<Integer> range = ranges == null
                ? List.of()
                : ranges.stream()
                        .flatMapToInt(ends -> IntStream.rangeClosed(ends[0], Math.min(ends[1], 1 << 20)))
                        .distinct()
                        .sorted()
                        .boxed()
                        .toList();
        int inputLength = model.config().inputLength();
        if (!range.isEmpty() && range.get(range.size() - 1) >= inputLength) {
            throw refusal("--range reaches beyond the segment, whose positions are 0 to " + (inputLength - 1) + ".");
        }
        Set<Long> segments = segments(facts, model.config().segmentSize());
        boolean everyHead = layers != null || heads != null || shown != null;
        long pictures = (segments.size() + (shown == null ? 1L : 0L)) * chosenLayers.size() * chosenHeads.size();
        if (everyHead && pictures > MOST_PICTURES) {
            throw refusal("That would be up to " + pictures + " pictures, and " + MOST_PICTURES
                    + " is the most; choose fewer --layers, --heads or --show-segments.");
        }
        return new AttentionRun.Settings(
                chosenLayers, chosenHeads, segments, shown == null, everyHead, range, folder, format.toString());
    }

    /** What was asked for, ascending; all where nothing was. */
    private List<Integer> chosen(String what, String of, List<Integer> wanted, int count) {
        List<Integer> all = IntStream.range(0, count).boxed().toList();
        if (wanted == null) {
            return all;
        }
        for (int number : wanted) {
            if (number >= count) {
                throw refusal("There is no " + what + " " + number + "; " + of + " has " + what + "s 0 to "
                        + (count - 1) + ".");
            }
        }
        return wanted.stream().distinct().sorted().toList();
    }

    /** Segments to look at; where they are not given, the end is shown too. */
    private Set<Long> segments(List<Placed> facts, int segmentSize) {
        if (shown != null) {
            if (text == null) {
                chosen("segment", "the sample", shown, samples.segments());
            }
            return shown.stream().map(Integer::longValue).collect(Collectors.toCollection(TreeSet::new));
        }
        Set<Long> segments = facts.stream()
                .map(fact -> fact.position() / segmentSize)
                .collect(Collectors.toCollection(TreeSet::new));
        long without = segments.isEmpty() ? 0 : segments.iterator().next();
        do {
            without++;
        } while (segments.contains(without));
        if (segments.isEmpty()) {
            segments.add(0L);
        }
        segments.add(without);
        return segments;
    }

    private Answer read(RmtModel model, AttentionRun run, AttentionSample.Chosen sample, String asked)
            throws IOException {
        try (RmtSession session = model.newSession()) {
            session.watch(run);
            if (sample != null) {
                readAllButQuestion(session, sample.sample());
            } else {
                try (InputStream in = text.equals(STDIN) ? System.in : Files.newInputStream(Path.of(text))) {
                    ReadReport report = session.read(in);
                    if (report.tokens() == 0 && report.pendingBytes() == 0) {
                        throw new InputException("There is nothing to read: the text is empty.");
                    }
                }
            }
            run.ending();
            if (asked != null) {
                return session.ask(asked);
            }
            session.peek();
            return null;
        }
    }

    private static void readAllButQuestion(RmtSession session, TaskSample sample) throws IOException {
        int[] piece = new int[session.model().config().segmentSize()];
        long left = sample.question().position();
        while (left > 0) {
            int count = sample.read(piece, 0, (int) Math.min(left, piece.length));
            session.read(Arrays.copyOf(piece, count));
            left -= count;
        }
    }

    private void requireShown(AttentionRun run) {
        if (shown != null) {
            chosen("segment", "the text", shown, (int) Math.min(run.count(), Integer.MAX_VALUE));
        }
    }

    private void save(AttentionRun run, RmtModel model, AttentionSample.Chosen sample, Answer answer) {
        ObjectNode node = AttentionReport.json(run, model, models.name(), models.seed, sample, answer);
        if (text != null) {
            node.put("text", text);
        }
        ArrayNode chosenLayers = node.putArray("layers");
        run.settings().layers().forEach(chosenLayers::add);
        ArrayNode chosenHeads = node.putArray("heads");
        run.settings().heads().forEach(chosenHeads::add);
        Path file = json == null ? folder.resolve(AttentionReport.FILE) : json;
        run.write(file.getFileName().toString(), () -> OutputFile.write(file, Json.bytes(node)));
    }

    private ParameterException refusal(String message) {
        return new ParameterException(spec.commandLine(), message);
    }
}
