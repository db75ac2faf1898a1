package dev.rmt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.text.TokenSource;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class LifeCycleTest {
    private static void assertRefused(ThrowingCallable call, String part) {
        assertThatThrownBy(call).isInstanceOf(IllegalStateException.class).hasMessageContaining(part);
    }

    @Test
    void everyCallOnAClosedSessionIsRefused() {
        try (RmtModel model = TestModels.tiny()) {
            RmtSession session = model.newSession();
            session.close();

            assertRefused(() -> session.read("abc"), "session is closed");
            assertRefused(() -> session.read(new int[] {5}), "session is closed");
            assertRefused(() -> session.read(InputStream.nullInputStream()), "session is closed");
            assertRefused(() -> session.ask("where?"), "session is closed");
            assertRefused(session::memory, "session is closed");
            assertRefused(session::boundary, "session is closed");
            assertRefused(session::pendingTokens, "session is closed");
            assertRefused(() -> session.save(java.nio.file.Path.of("never-written")), "session is closed");
        }
    }

    @Test
    void everyCallOnAClosedModelOrBatchIsRefused() {
        RmtModel model = TestModels.tiny();
        RmtBatch batch = model.newBatch(1);
        batch.close();
        model.close();

        assertRefused(model::newSession, "model is closed");
        assertRefused(() -> model.newBatch(1), "model is closed");
        assertRefused(() -> batch.read(List.of(tokens(5)), new long[] {1}, SegmentAlignment.LEFT), "batch is closed");
        assertRefused(() -> batch.memory(0), "batch is closed");
        assertRefused(batch::resetMemories, "batch is closed");
    }

    @Test
    void closingTwiceDoesNothing() {
        RmtModel model = TestModels.tiny();
        RmtSession session = model.newSession();
        RmtBatch batch = model.newBatch(2);
        assertThatCode(() -> {
                    session.close();
                    session.close();
                    batch.close();
                    batch.close();
                    model.close();
                    model.close();
                })
                .doesNotThrowAnyException();
    }

    @Test
    void aSessionOutlivesItsModel() {
        RmtModel model = TestModels.tiny();
        Memory before;
        try (RmtSession session = model.newSession()) {
            session.read("abcdefghijklmnopqrstuvw ");
            before = session.memory();
        }
        try (RmtSession session = model.newSession()) {
            model.close();
            session.read("abcdefghijklmnopqrstuvw ");
            assertThat(session.memory()).isEqualTo(before);
            assertThat(session.ask("where?").labels()).isNotEmpty();
        }
    }

    @Test
    void modelsOfOneDeviceShareItAndMayBeClosedInAnyOrder() {
        Device device = Device.cpu(2);
        RmtModel first = TestModels.tiny(device);
        RmtModel second = TestModels.tiny(device);
        first.close();
        try (RmtSession session = second.newSession()) {
            second.close();
            session.read("abcdefghijklmnopqrstuvw ");
        }
        try (RmtModel third = TestModels.tiny(device);
                RmtSession session = third.newSession()) {
            session.read("abcdefghijklmnopqrstuvw ");
            assertThat(session.memory().segments()).isEqualTo(1);
        }
    }

    @Test
    void sessionsThatAreOpenSurviveGarbageCollections() {
        RmtSession session;
        Memory expected;
        try (RmtModel model = TestModels.tiny()) {
            try (RmtSession other = model.newSession()) {
                other.read("abcdefghij ".repeat(100));
                expected = other.memory();
            }
            session = model.newSession();
        }
        for (int i = 0; i < 100; i++) {
            session.read("abcdefghij ");
            if (i % 20 == 0) {
                System.gc();
            }
        }
        assertThat(session.memory()).isEqualTo(expected);
        session.close();
    }

    @Test
    void aSecondThreadInASessionIsRefusedAndTheFirstIsNotDisturbed() throws Exception {
        try (RmtModel model = TestModels.tiny();
                RmtSession session = model.newSession()) {
            Blocking input = new Blocking();
            Thread reader = new Thread(() -> readAll(session, input), "the reader");
            reader.start();
            input.reached.await();

            assertRefused(() -> session.read("abc"), "in use by the thread \"the reader\"");
            assertRefused(() -> session.ask("where?"), "in use");
            assertRefused(session::memory, "in use");
            input.release.countDown();
            reader.join();
            assertThat(session.memory().pendingIds()).hasSize(3);
        }
    }

    @Test
    void aCallFromWithinACallIsRefused() {
        try (RmtModel model = TestModels.tiny();
                RmtSession session = model.newSession()) {
            InputStream nested = new InputStream() {
                @Override
                public int read() {
                    session.read("abc");
                    return -1;
                }
            };
            assertRefused(() -> session.read(nested), "in use");
            assertThat(session.read("abc ").tokens()).isEqualTo(3);
        }
    }

    @Test
    void closingASessionWhileAnotherThreadReadsEndsThatReadingCleanly() throws Exception {
        try (RmtModel model = TestModels.tiny()) {
            RmtSession session = model.newSession();
            CountDownLatch started = new CountDownLatch(1);
            AtomicReference<Throwable> end = new AtomicReference<>();
            Thread reader = new Thread(() -> {
                try {
                    session.read(endless(started));
                } catch (IllegalStateException | IOException e) {
                    end.set(e);
                }
            });
            reader.start();
            started.await();
            session.close();
            reader.join();

            assertThat(end.get())
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("closed by another thread");
            assertRefused(session::memory, "session is closed");
        }
    }

    @Test
    void closingABatchWhileAnotherThreadReadsEndsThatReadingCleanly() throws Exception {
        try (RmtModel model = TestModels.tiny()) {
            RmtBatch batch = model.newBatch(1);
            CountDownLatch started = new CountDownLatch(1);
            AtomicReference<Throwable> end = new AtomicReference<>();
            TokenSource source = (ids, offset, length) -> {
                started.countDown();
                java.util.Arrays.fill(ids, offset, offset + length, 8);
                return length;
            };
            Thread reader = new Thread(() -> {
                try {
                    batch.read(List.of(source), new long[] {1L << 40}, SegmentAlignment.RIGHT);
                } catch (IllegalStateException e) {
                    end.set(e);
                }
            });
            reader.start();
            started.await();
            batch.close();
            reader.join();

            assertThat(end.get()).hasMessageContaining("closed by another thread");
        }
    }

    @Test
    void aBatchIsStoppedByAnInterruptAndCanBeUsedAgain() {
        try (RmtModel model = TestModels.tiny();
                RmtBatch batch = model.newBatch(1)) {
            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> batch.read(List.of(tokens(5)), new long[] {1}, SegmentAlignment.LEFT))
                    .isInstanceOf(ReadInterruptedException.class);
            assertThat(Thread.interrupted()).isTrue();
            assertThat(batch.read(List.of(tokens(5)), new long[] {1}, SegmentAlignment.LEFT))
                    .hasNumberOfRows(1);
        }
    }

    @Test
    void aListenerMayLookAtMemoriesButNotReadAgain() {
        try (RmtModel model = TestModels.tiny();
                RmtBatch batch = model.newBatch(1)) {
            RmtBatch.Listener listener = new RmtBatch.Listener() {
                @Override
                public void afterStep(RmtBatch inside, RmtBatch.Step step) {
                    assertThat(inside.memory(0)).hasSize(4 * 32);
                    inside.read(List.of(tokens(5)), new long[] {1}, SegmentAlignment.LEFT);
                }
            };
            assertRefused(
                    () -> batch.read(List.of(tokens(5)), new long[] {1}, SegmentAlignment.LEFT, false, listener),
                    "in use");
        }
    }

    @Test
    void deviceSpecsAreParsedAndWhatIsNotThereIsSaid() {
        assertThat(Device.parse("auto", 0).name()).isEqualTo("cpu");
        assertThat(Device.parse("CPU", 3).threads()).isEqualTo(3);
        assertThatThrownBy(() -> Device.parse("cuda", 0)).isInstanceOf(DeviceException.class);
        assertThatThrownBy(() -> Device.parse("cuda:1", 0)).isInstanceOf(DeviceException.class);
        assertThatThrownBy(() -> Device.parse("tpu", 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Device.parse("cpu", -1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Device.cpu(0)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aDeviceReportsTheThreadsThatItWasGiven() {
        DeviceInfo info = Device.cpu(2).info();
        assertThat(info.name()).isEqualTo("cpu");
        assertThat(info.threads()).isEqualTo(2);
        assertThat(info.availableBytes()).isPositive();
        assertThat(Device.library().cpuIsas()).contains(info.isa()).endsWith("reference");
    }

    @Test
    void aBatchThatDoesNotFitIntoMemoryIsRefusedWithNeededAndAvailable() {
        ModelConfig large = TestModels.config()
                .hiddenSize(1024)
                .numHeads(16)
                .numLayers(1)
                .intermediateSize(4096)
                .maxPositions(512)
                .inputLength(512)
                .build();
        try (RmtModel model = RmtModel.untrained(large, TestModels.tokenizer(), 1, Device.cpu(1))) {
            assertThatThrownBy(() -> model.newBatch(4096))
                    .isInstanceOf(MemoryBudgetException.class)
                    .hasMessageContaining("available");
            try (RmtBatch batch = model.newBatch(1)) {
                assertThat(batch.nativeBytes()).isPositive();
            }
        }
    }

    private static TokenSource tokens(int id) {
        return (ids, offset, length) -> {
            ids[offset] = id;
            return 1;
        };
    }

    private static void readAll(RmtSession session, InputStream input) {
        try {
            session.read(input);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static InputStream endless(CountDownLatch started) {
        return new InputStream() {
            private boolean space;

            @Override
            public int read() {
                started.countDown();
                space = !space;
                return space ? ' ' : 'a';
            }
        };
    }

    /** Gives "abc ", but only when it is told to. */
    private static final class Blocking extends InputStream {
        private final CountDownLatch reached = new CountDownLatch(1);
        private final CountDownLatch release = new CountDownLatch(1);
        private int position;

        @Override
        public int read() throws IOException {
            reached.countDown();
            try {
                release.await();
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
            return position < 4 ? "abc ".charAt(position++) : -1;
        }
    }
}
