package dev.rmt.cli;

import dev.rmt.RmtModel;
import dev.rmt.SegmentAlignment;
import dev.rmt.eval.ConfidenceInterval;
import dev.rmt.eval.Evaluation;
import dev.rmt.eval.EvaluationRow;
import dev.rmt.eval.ProgressListener;
import dev.rmt.task.MemoryTask;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Runs the rows of an evaluation one after the other: prints each, saves after every batch of samples. */
final class EvalRun {
    private static final List<Table.Column> COLUMNS = List.of(
            new Table.Column("task", 8),
            new Table.Column("segments", 8),
            new Table.Column("tokens", 9),
            new Table.Column("samples", 7),
            new Table.Column("accuracy (95 % interval)", 24),
            new Table.Column("tokens/s", 9),
            new Table.Column("ms/segment", 10),
            new Table.Column("peak memory", 11));
    private static final Table.Column CONTROL_COLUMN = new Table.Column("control", 8);

    private final RmtModel model;
    private final List<Row> rows;
    private final int batch;
    private final SegmentAlignment alignment;
    private final long seed;
    private final Memory memory;
    private final Table table;
    private final EvalFile file;
    private final Path json; // null: not saved

    /** Whether samples are read with memory, without, or both ways. */
    enum Memory {
        KEPT,
        RESET,
        /** Once with memory and once without: the control stands beside the result. */
        BOTH
    }

    /** One line of the table. */
    record Row(MemoryTask task, int segments, int samples) {
        long work() {
            return (long) segments * samples;
        }

        /** A single segment has no memory of others to lose, and no place outside it for the facts. */
        boolean hasControl() {
            return segments > 1;
        }
    }

    EvalRun(
            RmtModel model,
            List<Row> rows,
            int batch,
            SegmentAlignment alignment,
            long seed,
            Memory memory,
            EvalFile file,
            Path json) {
        this.model = model;
        this.rows = rows;
        this.batch = batch;
        this.alignment = alignment;
        this.seed = seed;
        this.memory = memory;
        List<Table.Column> columns = new ArrayList<>(COLUMNS);
        if (memory == Memory.BOTH) {
            columns.add(CONTROL_COLUMN);
        }
        table = new Table(columns);
        this.file = file;
        this.json = json;
    }

    void run(PrintStream out) {
        Thread whenInterrupted = new Thread(this::sayHowToGoOn, "interrupted");
        Runtime.getRuntime().addShutdownHook(whenInterrupted);
        try (Progress progress = Progress.start("eval", work(), "segments")) {
            progress.print(out, table.header());
            for (Row row : rows) {
                EvaluationRow result = run(row, EvalFile.Part.RESULTS, memory == Memory.RESET, progress);
                EvaluationRow control = memory == Memory.BOTH && row.hasControl()
                        ? run(row, EvalFile.Part.CONTROL, true, progress)
                        : null;
                progress.print(out, line(result, control));
            }
        } finally {
            forget(whenInterrupted);
        }
    }

    private long work() {
        return rows.stream()
                .mapToLong(row -> memory == Memory.BOTH && row.hasControl() ? 2 * row.work() : row.work())
                .sum();
    }

    /** @param resetMemory reads without memory, and keeps the facts out of the last segment */
    private EvaluationRow run(Row row, EvalFile.Part part, boolean resetMemory, Progress progress) {
        EvaluationRow before =
                file.find(part, row.task().kind().toString(), row.segments()).orElse(null);
        Listener listener = new Listener(part, progress);
        Evaluation.Builder evaluation = Evaluation.builder(model)
                .task(row.task().withFactsOutsideLastSegment(resetMemory))
                .segments(row.segments())
                .samples(row.samples())
                .batchSize(batch)
                .alignment(alignment)
                .seed(seed)
                .resetMemory(resetMemory)
                .progress(listener);
        if (before != null) {
            evaluation.resumeFrom(before);
            listener.skip((long) before.samples() * row.segments());
        }
        forgetGarbage();
        EvaluationRow done = evaluation.build().run();
        listener.onSegments(row.work(), row.work());
        return done;
    }

    /** What loading and the rows before left on the heap must not count as peak memory of the next row. */
    private static void forgetGarbage() {
        System.gc();
        try {
            // The collector gives pages back to the system on a thread of its own, soon after.
            Thread.sleep(200);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** @param control null: there is none */
    private String line(EvaluationRow row, EvaluationRow control) {
        ConfidenceInterval interval = row.interval();
        List<String> cells = new ArrayList<>(List.of(
                row.task(),
                Text.count(row.segments()),
                Text.count(row.tokens()),
                Text.count(row.samples()),
                String.format(
                        Locale.ROOT,
                        "%5.1f %% (%5.1f - %5.1f %%)",
                        100 * row.accuracy(),
                        100 * interval.low(),
                        100 * interval.high()),
                Text.number(row.tokensPerSecond()),
                Text.number(row.msPerSegment()),
                Text.bytes(row.peakRssBytes())));
        if (memory == Memory.BOTH) {
            cells.add(control == null ? "-" : Text.percent(control.accuracy()));
        }
        return table.row(cells);
    }

    /** Ctrl-C: the JVM ends with 130 after this. What is being written is waited for. */
    private void sayHowToGoOn() {
        synchronized (file) {
            System.err.println();
            System.err.println(
                    json == null
                            ? "Interrupted."
                            : "Interrupted. " + json + " holds what is done; --resume goes on from there.");
        }
    }

    private static void forget(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The JVM is going down: the hook is running or has run.
        }
    }

    /** Moves the bar, and saves each batch. */
    private final class Listener implements ProgressListener {
        private final EvalFile.Part part;
        private final Progress progress;
        private long shown; // segments of this row that the bar has

        private Listener(EvalFile.Part part, Progress progress) {
            this.part = part;
            this.progress = progress;
        }

        private void skip(long segments) {
            progress.skip(segments);
            shown = segments;
        }

        @Override
        public void onSegments(long done, long total) {
            if (done > shown) {
                progress.step(done - shown);
                shown = done;
            }
        }

        @Override
        public void onBatch(EvaluationRow soFar) {
            try {
                file.update(part, soFar);
            } catch (IOException e) {
                throw new UncheckedIOException("The results cannot be saved to " + json + ": " + e.getMessage(), e);
            }
        }
    }
}
