package dev.rmt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.rmt.text.TokenSource;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Native memory and threads are given back: what a process holds after many cycles is what it held after few. Each case
 * runs in a JVM whose heap is resident from the start, so that nothing but native memory can make the process grow.
 */
@Timeout(120)
class LeakTest {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final int WARM_UP = 200;
    private static final int CYCLES = 400;
    private static final long MIB = 1 << 20;
    /** Code, classes and the allocator still breathe; any object below, leaked in each cycle, would be far more. */
    private static final long TOLERANCE = 24 * MIB;

    private static final ModelConfig CONFIG = TestModels.config()
            .hiddenSize(64)
            .intermediateSize(256)
            .maxPositions(256)
            .inputLength(256)
            .build();

    /** What is made and given up in each cycle. */
    enum Cycle {
        MODELS_THAT_ARE_CLOSED_AFTER_THEIR_SESSION {
            @Override
            long run(RmtModel shared) {
                try (RmtModel model = model();
                        RmtSession session = model.newSession()) {
                    session.read("abcdefgh ijklmnop ".repeat(20));
                    return model.nativeBytes() + session.nativeBytes();
                }
            }
        },
        MODELS_THAT_ARE_CLOSED_BEFORE_THEIR_SESSION {
            @Override
            long run(RmtModel shared) {
                RmtModel model = model();
                RmtSession session = model.newSession();
                long bytes = model.nativeBytes() + session.nativeBytes();
                model.close();
                session.read("abcdefgh ijklmnop ".repeat(20));
                session.close();
                return bytes;
            }
        },
        READINGS_THAT_FAIL {
            @Override
            long run(RmtModel shared) {
                TokenSource ended = (ids, offset, length) -> -1;
                try (RmtBatch batch = shared.newBatch(4)) {
                    batch.read(List.of(ended), new long[] {5}, SegmentAlignment.LEFT);
                    throw new AssertionError("A document without tokens was read.");
                } catch (InputException e) {
                    return CONFIG.inputLength() * CONFIG.hiddenSize() * 4L * Float.BYTES;
                }
            }
        };

        /** Returns the native bytes that were held on the way. */
        abstract long run(RmtModel shared);
    }

    private static RmtModel model() {
        return RmtModel.untrained(CONFIG, TestModels.tokenizer(), 1, Device.cpu(2));
    }

    @BeforeAll
    static void needsProc() {
        assumeTrue(Files.exists(STATUS), "There is no /proc/self/status to see the memory of a process in.");
    }

    @ParameterizedTest
    @EnumSource(Cycle.class)
    void nothingIsLeftOf(Cycle cycle) throws Exception {
        List<String> fixedHeap = List.of("-XX:+UseSerialGC", "-Xms48m", "-Xmx48m", "-XX:+AlwaysPreTouch");
        String[] numbers = ChildJvm.run(fixedHeap, Main.class, cycle.name())
                .lines()
                .filter(line -> line.startsWith("leak "))
                .findFirst()
                .orElseThrow()
                .split(" ");

        assertThat(Long.parseLong(numbers[1])).as("bytes held in all cycles").isGreaterThan(2 * TOLERANCE);
        assertThat(Long.parseLong(numbers[2]))
                .as("bytes by which the process grew")
                .isLessThan(TOLERANCE);
        assertThat(Long.parseLong(numbers[3])).as("threads that were left").isLessThan(20);
    }

    /** Prints "leak", the bytes held in all cycles, the growth of the process in bytes, and its growth in threads. */
    static final class Main {
        private Main() {}

        public static void main(String[] arguments) throws IOException {
            Cycle cycle = Cycle.valueOf(arguments[0]);
            try (RmtModel shared = model()) {
                for (int i = 0; i < WARM_UP; i++) {
                    cycle.run(shared);
                }
                long bytes = residentBytes();
                long threads = nativeThreads();
                long held = 0;
                for (int i = 0; i < CYCLES; i++) {
                    held += cycle.run(shared);
                }
                System.out.println(
                        "leak " + held + " " + (residentBytes() - bytes) + " " + (nativeThreads() - threads));
            }
        }

        private static long residentBytes() throws IOException {
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
    }
}
