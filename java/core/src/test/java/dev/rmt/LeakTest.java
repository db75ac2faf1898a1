package dev.rmt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.rmt.text.TokenSource;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Native memory and threads are given back: what the process holds after many cycles is what it held after few. */
class LeakTest {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final int WARM_UP = 100;
    private static final int CYCLES = 300;
    /** The Java heap and the allocator breathe; any of the objects below, leaked in each cycle, would be far more. */
    private static final long TOLERANCE = 48L << 20;

    private static final ModelConfig CONFIG = TestModels.config()
            .hiddenSize(64)
            .intermediateSize(256)
            .maxPositions(256)
            .inputLength(256)
            .build();

    @BeforeAll
    static void needsProc() {
        assumeTrue(Files.exists(STATUS), "There is no /proc/self/status to see the memory of the process in.");
    }

    private static long residentBytes() throws IOException {
        System.gc();
        String line = Files.readAllLines(STATUS, StandardCharsets.ISO_8859_1).stream()
                .filter(text -> text.startsWith("VmRSS:"))
                .findFirst()
                .orElseThrow();
        return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
    }

    private static long nativeThreads() throws IOException {
        try (Stream<Path> tasks = Files.list(Path.of("/proc/self/task"))) {
            return tasks.count();
        }
    }

    private static RmtModel model() {
        return RmtModel.untrained(CONFIG, TestModels.tokenizer(), 1, Device.cpu(2));
    }

    private interface Cycle {
        /** Returns the native bytes that were held on the way. */
        long run() throws IOException;
    }

    private static void assertFlat(Cycle cycle) throws IOException {
        for (int i = 0; i < WARM_UP; i++) {
            cycle.run();
        }
        long before = residentBytes();
        long threads = nativeThreads();
        long held = 0;
        for (int i = 0; i < CYCLES; i++) {
            held += cycle.run();
        }
        assertThat(held).as("what a leak would add up to").isGreaterThan(2 * TOLERANCE);
        assertThat(residentBytes() - before).isLessThan(TOLERANCE);
        // Threads of the JVM come and go; a pool that is not ended would leave one for each cycle.
        assertThat(nativeThreads()).isLessThan(threads + 20);
    }

    @Test
    void modelsThatAreClosedLeaveNothing() throws IOException {
        assertFlat(() -> {
            try (RmtModel model = model();
                    RmtSession session = model.newSession()) {
                session.read("abcdefgh ijklmnop ".repeat(40));
                return model.nativeBytes() + session.nativeBytes();
            }
        });
    }

    @Test
    void sessionsThatAreClosedAfterTheirModelLeaveNothing() throws IOException {
        assertFlat(() -> {
            RmtModel model = model();
            RmtSession session = model.newSession();
            long bytes = model.nativeBytes() + session.nativeBytes();
            model.close();
            session.read("abcdefgh ijklmnop ".repeat(40));
            session.close();
            return bytes;
        });
    }

    @Test
    void readingsThatFailLeaveNothing() throws IOException {
        TokenSource ended = (ids, offset, length) -> -1;
        try (RmtModel model = model()) {
            assertFlat(() -> {
                try (RmtBatch batch = model.newBatch(8)) {
                    assertThatThrownBy(() -> batch.read(List.of(ended), new long[] {5}, SegmentAlignment.LEFT))
                            .isInstanceOf(InputException.class);
                    return batch.nativeBytes();
                }
            });
        }
    }
}
