package dev.rmt.cli;

import java.io.PrintStream;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
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
    private static final int LONGEST_BAR = 140;
    private static final String CLEAR_LINE = "\r\u001b[2K";

    private final PrintStream err;
    private final String task;
    private final String unit;
    private final LongSupplier clock;
    private final long started;
    private final ProgressBar bar; // null: lines
    private final Object screen = new Object();

    private volatile long max;
    private final AtomicLong done = new AtomicLong(); // these are read by the thread that draws, too
    private final AtomicLong before = new AtomicLong(); // done by an earlier run: not counted for the time left
    private String note = ""; // whatever else there is to say
    private long nextLine;

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
                .setEtaFunction(state -> timeLeft())
                .setConsumer(new Screen(Math.min(LONGEST_BAR, Terminal.columns() - 1)));
        if (unit.equals("bytes")) {
            builder.setUnit(" MiB", 1 << 20);
        }
        return builder.build();
    }

    /** Work that an earlier run did: shown as done, but not part of the speed. */
    void skip(long steps) {
        before.addAndGet(steps);
        step(steps);
    }

    /** The end has moved. */
    void end(long steps) {
        max = steps;
        if (bar != null) {
            bar.maxHint(steps);
        }
    }

    /** Says something behind the numbers, from now on. */
    void note(String text) {
        note = text;
        if (bar != null) {
            bar.setExtraMessage(text);
        }
    }

    void step(long steps) {
        done.addAndGet(steps);
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
        StringBuilder line =
                new StringBuilder(task).append(": ").append(bytes ? Text.bytes(done.get()) : Text.count(done.get()));
        if (max > 0) {
            line.append(" of ").append(bytes ? Text.bytes(max) : Text.count(max));
        }
        line.append(bytes ? "" : " " + unit);
        if (max > 0) {
            line.append(" (").append(Text.percent((double) done.get() / max)).append(")");
        }
        line.append(note.isEmpty() ? "" : ", " + note);
        line.append(", ").append(Text.seconds(elapsed));
        timeLeft()
                .ifPresent(left -> line.append(", about ")
                        .append(Text.seconds(left.toNanos() / 1e9))
                        .append(" left"));
        return line.toString();
    }

    /** As if the rest went as fast as what this run has done. */
    private Optional<Duration> timeLeft() {
        long measured = done.get() - before.get();
        if (max <= 0 || measured <= 0) {
            return Optional.empty();
        }
        double nanos = (double) (clock.getAsLong() - started) * Math.max(0, max - done.get()) / measured;
        return Optional.of(Duration.ofNanos((long) Math.min(nanos, Long.MAX_VALUE)));
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
        private final int width;

        private Screen(int width) {
            this.width = width;
        }

        @Override
        public int getMaxRenderedLength() {
            return width;
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
