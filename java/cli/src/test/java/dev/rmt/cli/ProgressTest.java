package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class ProgressTest {
    private final ByteArrayOutputStream written = new ByteArrayOutputStream();
    private long now;

    private Progress lines(long max, String unit) {
        PrintStream err = new PrintStream(written, true, StandardCharsets.UTF_8);
        return new Progress("reading", max, unit, false, err, () -> TimeUnit.SECONDS.toNanos(now));
    }

    private String[] output() {
        return written.toString(StandardCharsets.UTF_8).lines().toArray(String[]::new);
    }

    @Test
    void withoutATerminalThereIsALineEvery30SecondsAndNoBar() {
        try (Progress progress = lines(1000, "segments")) {
            for (now = 1; now <= 65; now++) {
                progress.step(1);
            }
        }
        assertThat(output())
                .containsExactly(
                        "reading: 30 of 1,000 segments (3.0 %), 30.0 s, about 16 min 10 s left",
                        "reading: 60 of 1,000 segments (6.0 %), 1 min 00 s, about 15 min 40 s left");
    }

    @Test
    void aShortRunWritesNothing() {
        try (Progress progress = lines(10, "segments")) {
            now = 29;
            progress.step(10);
        }
        assertThat(output()).isEmpty();
    }

    @Test
    void whatAnEarlierRunDidDoesNotCountAsSpeed() {
        try (Progress progress = lines(1000, "segments")) {
            progress.skip(900);
            now = 50;
            progress.step(50);
        }
        assertThat(output()).containsExactly("reading: 950 of 1,000 segments (95.0 %), 50.0 s, about 50.0 s left");
    }

    @Test
    void anUnknownEndHasNoTimeLeft() {
        try (Progress progress = lines(-1, "bytes")) {
            now = 31;
            progress.step(1 << 20);
        }
        assertThat(output()).containsExactly("reading: 1.00 MiB, 31.0 s");
    }

    @Test
    void aNoteStandsBehindTheNumbersAndTheEndMayMove() {
        try (Progress progress = lines(1000, "steps")) {
            progress.note("stage 1 of 2, loss 0.5");
            progress.end(100);
            now = 30;
            progress.step(50);
        }
        assertThat(output())
                .containsExactly(
                        "reading: 50 of 100 steps (50.0 %), stage 1 of 2, loss 0.5, 30.0 s, about 30.0 s left");
    }

    @Test
    void resultsGoToTheirOwnStream() {
        ByteArrayOutputStream results = new ByteArrayOutputStream();
        try (Progress progress = lines(10, "segments")) {
            progress.print(new PrintStream(results, true, StandardCharsets.UTF_8), "a row");
        }
        assertThat(results.toString(StandardCharsets.UTF_8)).isEqualTo("a row" + System.lineSeparator());
        assertThat(output()).isEmpty();
    }
}
