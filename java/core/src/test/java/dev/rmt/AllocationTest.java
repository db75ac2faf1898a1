package dev.rmt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.Noise;
import dev.rmt.task.Placement;
import dev.rmt.task.ReasonFacts;
import dev.rmt.task.Split;
import dev.rmt.task.TaskKind;
import dev.rmt.task.TaskSample;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What reading costs the Java heap once it runs: less than 1 kB per segment, whatever the text comes from. */
class AllocationTest {
    private static final int MOST_BYTES_PER_SEGMENT = 1024;
    private static final String TEXT =
            "Daniel went to the café. Mary journeyed, déjà vu, to the 世 garden! ".repeat(2000);

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private RmtModel model;

    /** Returns how many segments it has run. */
    private interface Reading {
        long read() throws IOException;
    }

    @BeforeEach
    void load() {
        assumeTrue(threads.isThreadAllocatedMemorySupported(), "This JVM does not count what threads allocate.");
        // A segment as long as the paper's, so that there is as much text for each as in real use.
        model = RmtModel.untrained(
                TestModels.config()
                        .maxPositions(512)
                        .inputLength(512)
                        .numLayers(1)
                        .build(),
                TestModels.tokenizer(),
                1,
                Device.cpu(1));
    }

    @AfterEach
    void close() {
        model.close();
    }

    private void assertSmall(Reading reading) throws IOException {
        reading.read(); // classes, pages of Unicode, the JIT compiler
        long before = threads.getCurrentThreadAllocatedBytes();
        long segments = reading.read();
        long bytes = threads.getCurrentThreadAllocatedBytes() - before;

        assertThat(segments).isGreaterThan(100);
        assertThat(bytes / segments).isLessThan(MOST_BYTES_PER_SEGMENT);
    }

    @Test
    void aStreamOfBytesIsReadWithoutFillingTheHeap() throws IOException {
        byte[] bytes = TEXT.getBytes(StandardCharsets.UTF_8);
        try (RmtSession session = model.newSession()) {
            assertSmall(() -> session.read(new ByteArrayInputStream(bytes)).segments());
        }
    }

    @Test
    void aFileIsReadWithoutFillingTheHeap(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("text.txt"), TEXT);
        try (RmtSession session = model.newSession()) {
            assertSmall(() -> session.read(file).segments());
        }
    }

    @Test
    void aTextIsReadWithoutFillingTheHeap() throws IOException {
        try (RmtSession session = model.newSession()) {
            assertSmall(() -> session.read(TEXT).segments());
        }
    }

    @Test
    void idsAreReadWithoutFillingTheHeap() throws IOException {
        int[] ids = model.tokenizer().encode(TEXT);
        try (RmtSession session = model.newSession()) {
            assertSmall(() -> session.read(ids).segments());
        }
    }

    @Test
    void aGeneratedSampleIsReadWithoutFillingTheHeap() throws IOException {
        int segments = 200;
        MemoryTask task = new MemoryTask(
                TaskKind.DETECT,
                Placement.ANY,
                model.tokenizer(),
                Noise.generated(model.tokenizer(), 1),
                ReasonFacts.generated(),
                model.config().segmentSize(),
                Split.VALIDATION);
        try (RmtBatch batch = model.newBatch(1)) {
            TaskSample sample = task.sample(5, segments);
            assertSmall(() -> {
                sample.rewind();
                batch.read(List.of(sample), new long[] {sample.length()}, SegmentAlignment.RIGHT);
                return segments;
            });
        }
    }
}
