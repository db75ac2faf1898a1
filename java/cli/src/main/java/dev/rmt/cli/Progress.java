package dev.rmt.cli;

import java.io.PrintStream;
import java.time.Duration;
import java.util.function.LongSupplier;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Progress of a long run on stderr: a bar with the time left where stderr is a terminal, elsewhere a line every 30 seconds,
 * so that a log of a night does not hold a million bars. Steps may come from any one thread.
 */
final class Progress implements AutoCloseable {
    private static final long LINE_EVERY_NANOS = Duration.ofSeconds(30).toNanos();
    private static final int BAR_WIDTH = 79;
    private static final String CLEAR_LINE = "\r\u001b[2K";

    private final PrintStream err;
    private final String task;
    private final String unit;
    private final long max;
    private final LongSupplier clock;
    private final long started;
    private final ProgressBar bar; // null: lines
    private final Object screen = new Object();

    private long done;
    private long nextLine;
    private long firstMeasured; // work that was done before the run, by an earlier one: not counted for the time left

    /**
     * @param task what runs, one or two words
     * @param max steps in all; -1: unknown
     * @param unit what a step is, plural; "bytes" are shown in their own units
     */
    static Progress start(String task, long max, String unit) {
        return new Progress(task, max, unit, Terminal.isStderr(), System.err, System::nanoTime);
    }

    Progress(String task, long max, String unit, boolean terminal, PrintStream err, LongSupplier clock) {
        this.task = task;
        this.max = max;
        this.unit = unit;
        this.err = err;
        this.clock = clock;
        this.started = clock.getAsLong();
        this.nextLine = started + LINE_EVERY_NANOS;
        this.bar = terminal ? newBar() : null;
    }

    private ProgressBar newBar() {
        ProgressBarBuilder builder = new ProgressBarBuilder()
                .setTaskName(task)
                .setInitialMax(max)
                .setUpdateIntervalMillis(200)
                .setStyle(ProgressBarStyle.ASCII)
                .setConsumer(new Screen());
        if (unit.equals("bytes")) {
            builder.setUnit(" MiB", 1 << 20);
        }
        return builder.build();
    }

    /** Work that an earlier run did: shown as done, but not part of the speed. */
    void skip(long steps) {
        firstMeasured += steps;
        step(steps);
    }

    void step(long steps) {
        done += steps;
        if (bar != null) {
            bar.stepBy(steps);
            return;
        }
        long now = clock.getAsLong();
        if (now - nextLine >= 0) {
            nextLine = now + LINE_EVERY_NANOS;
            err.println(line(now));
            err.flush();
        }
    }

    private String line(long now) {
        double elapsed = (now - started) / 1e9;
        boolean bytes = unit.equals("bytes");
        StringBuilder line = new StringBuilder(task).append(": ").append(bytes ? Text.bytes(done) : Text.count(done));
        if (max > 0) {
            line.append(" of ").append(bytes ? Text.bytes(max) : Text.count(max));
        }
        line.append(bytes ? "" : " " + unit);
        if (max > 0) {
            line.append(" (").append(Text.percent((double) done / max)).append(")");
        }
        line.append(", ").append(Text.seconds(elapsed));
        if (max > 0 && done > firstMeasured) {
            double left = elapsed * Math.max(0, max - done) / (done - firstMeasured);
            line.append(", about ").append(Text.seconds(left)).append(" left");
        }
        return line.toString();
    }

    /** Prints a line of results on stdout without leaving a piece of the bar before it. */
    void print(PrintStream out, String line) {
        synchronized (screen) {
            if (bar != null) {
                err.print(CLEAR_LINE);
                err.flush();
            }
            out.println(line);
            out.flush();
        }
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
            synchronized (screen) {
                err.print(CLEAR_LINE);
                err.flush();
            }
        }
    }

    /** Draws the bar on one line of stderr. */
    private final class Screen implements ProgressBarConsumer {
        @Override
        public int getMaxRenderedLength() {
            return BAR_WIDTH;
        }

        @Override
        public void accept(String rendered) {
            synchronized (screen) {
                err.print(CLEAR_LINE + rendered);
                err.flush();
            }
        }

        @Override
        public void close() {
            // The line is cleared when the progress is closed.
        }
    }
}
