package dev.rmt.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.DeviceException;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StreamRecurrenceTest {
    private static final int CLS = 901;
    private static final int SEP = 902;
    private static final int MEM = -1;
    private static final int M = 2;
    private static final int S = 4;
    private static final int T = S + M + 3;
    private static final int LABELS = 3;

    private final FakeBackend backend = new FakeBackend(2, 1, M, T, LABELS);
    private final StreamRecurrence stream = stream(backend);

    private static StreamRecurrence stream(FakeBackend backend) {
        return new StreamRecurrence(backend, SegmentLayout.encoder(T, M, CLS, SEP));
    }

    /** Feeds ids as a session does, at most {@code piece} at a time. */
    private static void feed(StreamRecurrence stream, int[] ids, int piece) {
        for (int at = 0; at < ids.length; ) {
            int count = Math.min(Math.min(piece, stream.room()), ids.length - at);
            System.arraycopy(ids, at, stream.buffer(), stream.pendingCount(), count);
            stream.added(count);
            stream.runIfFull();
            at += count;
        }
    }

    private static int[] ids(int from, int count) {
        return IntStream.range(from, from + count).toArray();
    }

    @Test
    void everyFullSegmentIsRunAtOnceAndTheRestWaits() {
        feed(stream, ids(10, 10), 100);

        assertThat(backend.rows)
                .extracting(FakeBackend.Row::ids)
                .containsExactly(
                        List.of(CLS, MEM, MEM, SEP, 10, 11, 12, 13, SEP),
                        List.of(CLS, MEM, MEM, SEP, 14, 15, 16, 17, SEP));
        assertThat(stream.pendingIds()).containsExactly(18, 19);
        assertThat(stream.tokens()).isEqualTo(10);
        assertThat(stream.segments()).isEqualTo(2);
    }

    @Test
    void aSegmentThatIsExactlyFullDoesNotWaitForMore() {
        feed(stream, ids(10, S), 100);

        assertThat(backend.rows).hasSize(1);
        assertThat(stream.pendingCount()).isZero();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 7, 100})
    void theMemoryDoesNotDependOnTheSizeOfThePieces(int piece) {
        FakeBackend other = new FakeBackend(2, 1, M, T, LABELS);
        feed(stream, ids(10, 23), 23);
        feed(stream(other), ids(10, 23), piece);

        assertThat(other.memory(0)).containsExactly(backend.memory(0));
    }

    @Test
    void pendingTokensAndQuestionFormTheLastSegment() {
        feed(stream, ids(10, 6), 100);
        backend.rows.clear();
        stream.ask(new int[0], 0, new int[] {50, 51});

        assertThat(backend.rows)
                .extracting(FakeBackend.Row::ids)
                .containsExactly(List.of(CLS, MEM, MEM, SEP, 14, 15, 50, 51, SEP));
        assertThat(backend.rows.get(0).slot()).isEqualTo(1);
        assertThat(backend.rows.get(0).readHead()).isTrue();
    }

    @Test
    void aQuestionThatDoesNotFitBehindThePendingTokensIsASegmentOfItsOwn() {
        feed(stream, ids(10, 7), 100);
        backend.rows.clear();
        stream.ask(new int[0], 0, new int[] {50, 51});

        assertThat(backend.rows)
                .extracting(FakeBackend.Row::ids)
                .containsExactly(
                        List.of(CLS, MEM, MEM, SEP, 14, 15, 16, SEP), List.of(CLS, MEM, MEM, SEP, 50, 51, SEP));
        assertThat(backend.rows).extracting(FakeBackend.Row::readHead).containsExactly(false, true);
    }

    @Test
    void theTokensOfAnUnfinishedWordAreReadBeforeTheQuestion() {
        feed(stream, ids(10, 3), 100);
        stream.ask(new int[] {30, 31, 32, 99}, 3, new int[] {50, 51});

        assertThat(backend.rows)
                .extracting(FakeBackend.Row::ids)
                .containsExactly(
                        List.of(CLS, MEM, MEM, SEP, 10, 11, 12, 30, SEP),
                        List.of(CLS, MEM, MEM, SEP, 31, 32, 50, 51, SEP));
    }

    @Test
    void askingLeavesMemoryPendingTokensAndCountsAsTheyWere() {
        FakeBackend neverAsked = new FakeBackend(2, 1, M, T, LABELS);
        StreamRecurrence silent = stream(neverAsked);
        for (int i = 0; i < 9; i++) {
            feed(stream, ids(10 * i, 3), 100);
            feed(silent, ids(10 * i, 3), 100);
            float[] first = stream.ask(new int[] {5}, 1, new int[] {50, 51, 52});
            assertThat(stream.ask(new int[] {5}, 1, new int[] {50, 51, 52})).containsExactly(first);
        }

        assertThat(backend.memory(0)).containsExactly(neverAsked.memory(0));
        assertThat(stream.pendingIds()).containsExactly(silent.pendingIds());
        assertThat(stream.tokens()).isEqualTo(silent.tokens());
        assertThat(stream.segments()).isEqualTo(silent.segments());
    }

    @Test
    void anAnswerIsWhatReadingTextAndQuestionAsOneStreamWouldGive() {
        feed(stream, ids(10, 6), 100);
        float[] asked = stream.ask(new int[0], 0, new int[] {50, 51});

        FakeBackend whole = new FakeBackend(1, 1, M, T, LABELS);
        BatchRecurrence batch = new BatchRecurrence(whole, SegmentLayout.encoder(T, M, CLS, SEP));
        float[][] read = batch.run(
                List.of(BatchRecurrenceTest.source(10, 11, 12, 13, 14, 15, 50, 51)),
                new long[] {8},
                dev.rmt.SegmentAlignment.LEFT,
                false,
                new BatchRecurrence.Listener() {});
        assertThat(asked).containsExactly(read[0]);
    }

    @Test
    void aQuestionOfNoTokensOrMoreThanASegmentIsRefused() {
        assertThatThrownBy(() -> stream.ask(new int[0], 0, new int[0])).hasMessageContaining("1 to 4 tokens, not 0");
        assertThatThrownBy(() -> stream.ask(new int[0], 0, new int[S + 1])).hasMessageContaining("not 5");
        assertThat(backend.rows).isEmpty();
    }

    @Test
    void aRestoredStreamGoesOnAsIfItHadNeverStopped() {
        feed(stream, ids(10, 11), 100);
        FakeBackend later = new FakeBackend(2, 1, M, T, LABELS);
        StreamRecurrence restored = stream(later);
        restored.setMemory(backend.memory(0));
        restored.restore(stream.pendingIds(), stream.tokens(), stream.segments());
        feed(stream, ids(40, 9), 100);
        feed(restored, ids(40, 9), 2);

        assertThat(later.memory(0)).containsExactly(backend.memory(0));
        assertThat(restored.pendingIds()).containsExactly(stream.pendingIds());
        assertThat(restored.tokens()).isEqualTo(20);
        assertThat(restored.segments()).isEqualTo(5);
    }

    @Test
    void aFullSegmentAsPendingInputIsRefused() {
        assertThatThrownBy(() -> stream.restore(ids(0, S), S, 0)).hasMessageContaining("not fewer than the 4");
    }

    @Test
    void aSegmentThatTheDeviceFailedToRunWaitsAndIsTriedAgain() {
        backend.failAtCall = 1;
        int[] ids = ids(10, 8);
        assertThatThrownBy(() -> feed(stream, ids, 100)).isInstanceOf(DeviceException.class);
        assertThat(stream.pendingIds()).containsExactly(14, 15, 16, 17);
        assertThat(stream.segments()).isEqualTo(1);
        assertThat(stream.runIfFull()).isTrue();

        FakeBackend healthy = new FakeBackend(2, 1, M, T, LABELS);
        feed(stream(healthy), ids, 100);
        assertThat(backend.memory(0)).containsExactly(healthy.memory(0));
    }

    @Test
    void withoutMemoryTokensASegmentNeitherReadsNorWritesMemory() {
        FakeBackend plain = new FakeBackend(2, 1, 0, S + 3, LABELS);
        StreamRecurrence noMemory = new StreamRecurrence(plain, SegmentLayout.encoder(S + 3, 0, CLS, SEP));
        feed(noMemory, ids(10, S), 100);

        assertThat(plain.rows.get(0).ids()).containsExactly(CLS, SEP, 10, 11, 12, 13, SEP);
        assertThat(plain.rows.get(0).wroteMemory()).isFalse();
    }
}
