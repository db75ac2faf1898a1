package dev.rmt.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.Answer;
import dev.rmt.InputException;
import dev.rmt.Memory;
import dev.rmt.ReadReport;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.eval.PeakMemory;
import java.io.ByteArrayInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code rmt read}: reads real documents, answers a question, stops and goes on. */
@Command(
        name = "read",
        header = "Read documents of any length; ask; stop and go on.",
        customSynopsis = "java -jar rmt.jar read [OPTIONS] FILE... | -",
        description = {
            "",
            "Reads documents of any length with a model, in constant memory, and says how many tokens and segments that"
                    + " were and how fast. Several files are read as one text, with white space between them. The end of the"
                    + " input is not flushed: what does not fill a segment stays pending and is part of what --save-memory"
                    + " saves."
        },
        footer = {
            "  Read a book with the built-in model:",
            "    java -jar rmt.jar read book.txt",
            "  Ask at the end:",
            "    java -jar rmt.jar read book.txt --model my-model \\",
            "        --question \"Where is Daniel?\"",
            "  Stop after a chapter and go on another day:",
            "    java -jar rmt.jar read chapter1.txt --save-memory reader.rmt",
            "    java -jar rmt.jar read chapter2.txt --memory reader.rmt",
            "  From a pipe, results as JSON:",
            "    zcat log.gz | java -jar rmt.jar read - --json result.json"
        })
final class ReadCommand implements Callable<Integer> {
    private static final String STDIN = "-";

    @Parameters(
            arity = "1..*",
            paramLabel = "FILE",
            description = "Text files in UTF-8; - is stdin. Bytes that are not UTF-8 are replaced and counted.")
    private List<String> files;

    @Mixin
    private ModelOptions models;

    @Option(
            names = "--question",
            paramLabel = "TEXT",
            description = "Ask this at the end. Reading could go on after it.")
    private String question;

    @Option(names = "--memory", paramLabel = "FILE", description = "Go on from a memory saved by --save-memory.")
    private Path memory;

    @Option(names = "--save-memory", paramLabel = "FILE", description = "Save the memory and what is pending.")
    private Path saveMemory;

    @Option(names = "--json", paramLabel = "FILE", description = "Write the results as JSON too.")
    private Path json;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        long size = check();
        PrintStream out = System.out;
        PeakMemory peak = PeakMemory.start();
        try (RmtModel model = models.load()) {
            if (question != null && model.config().numLabels() == 0) {
                throw new InputException(models.name() + " has no classifier, so it cannot answer --question.");
            }
            Headers.of(model, models.name()).forEach(out::println);
            try (RmtSession session = memory == null ? model.newSession() : RmtSession.restore(model, memory)) {
                Totals totals = new Totals();
                try (Progress progress = Progress.start("reading", size, "bytes")) {
                    readAll(session, totals, progress);
                }
                if (totals.tokens == 0 && totals.pendingBytes == 0 && memory == null) {
                    throw new InputException("There is nothing to read: the input is empty or holds no text.");
                }
                // First what was read, then the question: a question that is refused must not cost the reading.
                if (saveMemory != null) {
                    session.save(saveMemory);
                }
                Answer answer = question == null ? null : session.ask(question);
                long peakBytes = peak.bytes();
                totals.print(out, peakBytes);
                if (answer != null) {
                    print(out, answer, model.trained());
                }
                if (json != null) {
                    OutputFile.write(json, Json.bytes(results(totals, session.memory(), answer, peakBytes)));
                }
            }
        }
        return ExitCodes.OK;
    }

    /** Refuses what cannot work before the model is loaded. Returns the bytes to read, -1 if unknown. */
    private long check() throws IOException {
        models.check();
        if (files.stream().filter(STDIN::equals).count() > 1) {
            throw new ParameterException(spec.commandLine(), "stdin (-) can be read only once.");
        }
        if (question != null && question.isBlank()) {
            throw new ParameterException(spec.commandLine(), "--question is empty.");
        }
        long size = 0;
        for (String file : files) {
            if (file.equals(STDIN)) {
                size = -1;
                continue;
            }
            Path path = Path.of(file);
            InputFile.requireReadable("", path);
            size = size < 0 || !Files.isRegularFile(path) ? -1 : size + Files.size(path);
        }
        if (memory != null) {
            InputFile.requireReadable("--memory ", memory);
        }
        if (saveMemory != null) {
            OutputFile.requireWritable("--save-memory", saveMemory);
        }
        if (json != null) {
            OutputFile.requireWritable("--json", json);
        }
        return size;
    }

    private void readAll(RmtSession session, Totals totals, Progress progress) throws IOException {
        for (int i = 0; i < files.size(); i++) {
            if (i > 0) {
                // As bytes: a character that the file before left unfinished ends here and is replaced.
                totals.add(session.read(new ByteArrayInputStream("\n".getBytes(StandardCharsets.UTF_8))));
            }
            String file = files.get(i);
            try (InputStream in = file.equals(STDIN) ? System.in : Files.newInputStream(Path.of(file))) {
                totals.add(session.read(new Counted(in, progress)));
            }
        }
    }

    private static void print(PrintStream out, Answer answer, boolean trained) {
        out.println("answer     " + answer.label() + " (" + Text.percent(answer.probability()) + ")"
                + (trained ? "" : ", a guess: the model is untrained"));
        for (int i = 0; i < answer.labels().size(); i++) {
            out.println("           " + String.format("%-12s", answer.labels().get(i)) + " "
                    + String.format("%8s", Text.percent(answer.probabilities()[i])));
        }
    }

    private static ObjectNode results(Totals totals, Memory memory, Answer answer, long peakBytes) {
        ObjectNode node = Json.object();
        node.put("version", Version.CURRENT);
        node.put("tokens", totals.tokens);
        node.put("segments", totals.segments);
        node.put("pending", totals.pendingTokens);
        node.put("pending_bytes", totals.pendingBytes);
        node.put("unknown_tokens", totals.unknownTokens);
        node.put("replaced_bytes", totals.replacedBytes);
        node.put("seconds", totals.seconds);
        node.put("tokens_per_second", totals.tokensPerSecond());
        node.put("peak_rss_bytes", peakBytes);
        node.put("memory_sha256", memory.sha256());
        if (answer == null) {
            node.putNull("answer");
        } else {
            node.put("answer", answer.label());
            ObjectNode probabilities = node.putObject("probabilities");
            for (int i = 0; i < answer.labels().size(); i++) {
                probabilities.put(answer.labels().get(i), answer.probabilities()[i]);
            }
        }
        return node;
    }

    /** Sums of the reports of several inputs; what is pending is what the last one left. */
    private static final class Totals {
        private long tokens;
        private long segments;
        private int pendingTokens;
        private int pendingBytes;
        private long unknownTokens;
        private long replacedBytes;
        private double seconds;

        private void add(ReadReport report) {
            tokens += report.tokens();
            segments += report.segments();
            pendingTokens = report.pendingTokens();
            pendingBytes = report.pendingBytes();
            unknownTokens += report.unknownTokens();
            replacedBytes += report.replacedBytes();
            seconds += report.seconds();
        }

        private double tokensPerSecond() {
            return seconds > 0 ? tokens / seconds : 0;
        }

        private void print(PrintStream out, long peakBytes) {
            out.println("tokens     " + Text.count(tokens) + " ("
                    + Text.percent(tokens == 0 ? 0 : (double) unknownTokens / tokens)
                    + " [UNK]" + (replacedBytes == 0 ? "" : ", " + Text.count(replacedBytes) + " bytes were not UTF-8")
                    + ")");
            out.println("segments   " + Text.count(segments) + ", pending " + Text.count(pendingTokens) + " tokens and "
                    + pendingBytes + " bytes");
            out.println("speed      " + Text.number(tokensPerSecond()) + " tokens/s, "
                    + (segments == 0 ? "-" : Text.number(1e3 * seconds / segments)) + " ms per segment, "
                    + Text.seconds(seconds));
            out.println("memory     peak " + Text.bytes(peakBytes));
        }
    }

    /** Tells the progress how many bytes were taken. */
    private static final class Counted extends FilterInputStream {
        private final Progress progress;

        private Counted(InputStream in, Progress progress) {
            super(in);
            this.progress = progress;
        }

        @Override
        public int read() throws IOException {
            int value = super.read();
            if (value >= 0) {
                progress.step(1);
            }
            return value;
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            int count = super.read(bytes, offset, length);
            if (count > 0) {
                progress.step(count);
            }
            return count;
        }
    }
}
