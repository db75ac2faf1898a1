package dev.rmt.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class SegmentBatchTest {
    private static final int M = 2;
    private static final int T = 9;
    private static final SegmentLayout LAYOUT = SegmentLayout.encoder(T, M, 101, 102);

    private static SegmentBatch twoDocuments() {
        SegmentBatch batch = new SegmentBatch(2, T);
        LAYOUT.addTo(batch, 3, new int[] {7, 8, 9}, 1, 2, true, true);
        LAYOUT.addTo(batch, 0, new int[] {5, 6, 7, 8}, 0, 4, true, false);
        return batch;
    }

    private static void check(SegmentBatch batch) {
        batch.check(200, M, 4, 2, T);
    }

    @Test
    void theEncoderLayoutPutsMemoryBetweenClsAndSepAndClosesWithSep() {
        SegmentBatch batch = twoDocuments();

        assertThat(batch.size()).isEqualTo(2);
        assertThat(batch.ids()).startsWith(101, 0, 0, 102, 8, 9, 102);
        assertThat(batch.ids()).endsWith(101, 0, 0, 102, 5, 6, 7, 8, 102);
        assertThat(batch.lengths()).containsExactly(7, 9);
        assertThat(batch.slots()).containsExactly(3, 0);
        assertThat(batch.readMemoryStart()).containsExactly(1, 1);
        assertThat(batch.writeMemoryStart()).containsExactly(1, 1);
        assertThat(batch.headPosition()).containsExactly(0, -1);
        assertThatCode(() -> check(batch)).doesNotThrowAnyException();
    }

    @Test
    void aSegmentHoldsWhatMemoryAndSpecialTokensLeave() {
        assertThat(SegmentLayout.encoder(512, 10, 101, 102).segmentSize()).isEqualTo(499);
        assertThat(SegmentLayout.encoder(512, 0, 101, 102).segmentSize()).isEqualTo(509);
        assertThatThrownBy(() -> SegmentLayout.encoder(13, 10, 101, 102)).hasMessageContaining("no room for content");
        assertThatThrownBy(() -> LAYOUT.addTo(new SegmentBatch(1, T), 0, new int[5], 0, 5, true, true))
                .hasMessageContaining("5 content tokens do not fit");
    }

    @Test
    void everyWrongEntryIsNamedBeforeAnyNativeCall() {
        assertRefused(batch -> batch.lengths()[1] = 0, "Document 1", "length 0");
        assertRefused(batch -> batch.lengths()[1] = T + 1, "Document 1", "length 10");
        assertRefused(batch -> batch.slots()[0] = 4, "Document 0", "slot 4");
        assertRefused(batch -> batch.slots()[0] = -1, "Document 0", "slot -1");
        assertRefused(batch -> batch.slots()[1] = 3, "Document 1", "already taken");
        assertRefused(batch -> batch.readMemoryStart()[0] = -2, "Document 0", "read memory start -2");
        assertRefused(batch -> batch.readMemoryStart()[0] = 6, "Document 0", "read memory start 6");
        assertRefused(batch -> batch.writeMemoryStart()[0] = 6, "Document 0", "write memory start 6");
        assertRefused(batch -> batch.headPosition()[0] = 7, "Document 0", "head position 7");
        assertRefused(batch -> batch.ids()[4] = 200, "Token id 200", "position 4 of document 0");
        assertRefused(batch -> batch.ids()[T] = -1, "Token id -1", "position 0 of document 1");
    }

    @Test
    void idsAtMemoryPositionsAndBehindTheEndAreNotLookedAt() {
        SegmentBatch batch = twoDocuments();
        batch.ids()[1] = -5;
        batch.ids()[8] = 1_000_000;
        assertThatCode(() -> check(batch)).doesNotThrowAnyException();
    }

    @Test
    void aBatchThatIsEmptyOrLargerThanTheMemoryIsRefused() {
        assertThatThrownBy(() -> check(new SegmentBatch(2, T))).hasMessageContaining("0 documents");
        assertThatThrownBy(() -> twoDocuments().check(200, M, 4, 1, T)).hasMessageContaining("2 documents");
        assertThatThrownBy(() -> twoDocuments().check(200, M, 4, 2, T - 1)).hasMessageContaining("9 positions");
        SegmentBatch full = twoDocuments();
        assertThatThrownBy(() -> LAYOUT.addTo(full, 1, new int[1], 0, 1, true, true))
                .isInstanceOf(IllegalStateException.class);
    }

    private static void assertRefused(Consumer<SegmentBatch> damage, String... parts) {
        SegmentBatch batch = twoDocuments();
        damage.accept(batch);
        assertThatThrownBy(() -> check(batch))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll(parts);
    }
}
