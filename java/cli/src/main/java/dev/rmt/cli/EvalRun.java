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
import java.util.List;
import java.util.Locale;

/** Runs the rows of an evaluation one after the other: prints each, saves after every batch of samples. */
final class EvalRun {
    private static final Table TABLE = new Table(List.of(
            new Table.Column("task", 8),
            new Table.Column("segments", 8),
            new Table.Column("tokens", 9),
            new Table.Column("samples", 7),
            new Table.Column("accuracy (95 % interval)", 24),
            new Table.Column("tokens/s", 9),
            new Table.Column("ms/segment", 10),
            new Table.Column("peak memory", 11)));

    private final RmtModel model;
    private final List<Row> rows;
    private final int batch;
    private final SegmentAlignment alignment;
    private final long seed;
    private final boolean resetMemory;
    private final EvalFile file;
    private final Path json; // null: not saved

    /** One line of the table. */
    record Row(MemoryTask task, int segments, int samples) {
        long work() {
            return (long) segments * samples;
        }
    }

    EvalRun(
            RmtModel model,
            List<Row> rows,
            int batch,
            SegmentAlignment alignment,
            long seed,
            boolean resetMemory,
            EvalFile file,
            Path json) {
        this.model = model;
        this.rows = rows;
        this.batch = batch;
        this.alignment = alignment;
        this.seed = seed;
        this.resetMemory = resetMemory;
        this.file = file;
        this.json = json;
    }

    void run(PrintStream out) {
        Thread whenInterrupted = new Thread(this::sayHowToGoOn, "interrupted");
        Runtime.getRuntime().addShutdownHook(whenInterrupted);
        try (Progress progress =
                Progress.start("eval", rows.stream().mapToLong(Row::work).sum(), "segments")) {
            progress.print(out, TABLE.header());
            for (Row row : rows) {
                progress.print(out, line(run(row, progress)));
            }
        } finally {
            forget(whenInterrupted);
        }
    }

    private EvaluationRow run(Row row, Progress progress) {
        EvaluationRow before =
                file.find(row.task().kind().toString(), row.segments()).orElse(null);
        Listener listener = new Listener(progress);
        Evaluation.Builder evaluation = Evaluation.builder(model)
                .task(row.task())
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

    private static String line(EvaluationRow row) {
        ConfidenceInterval interval = row.interval();
        return TABLE.row(List.of(
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
        private final Progress progress;
        private long shown; // segments of this row that the bar has

        private Listener(Progress progress) {
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
                file.update(soFar);
            } catch (IOException e) {
                throw new UncheckedIOException("The results cannot be saved to " + json + ": " + e.getMessage(), e);
            }
        }
    }
}
