package dev.rmt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SegmentWatcherTest {
    private static final String TEXT = "mary went to the garden, and nobody saw her there. ";
    private static final String QUESTION = "where?";

    private RmtModel model;

    @BeforeEach
    void load() {
        model = TestModels.tiny();
    }

    @AfterEach
    void close() {
        model.close();
    }

    /** Keeps everything that it sees. */
    private static final class Keeping implements SegmentWatcher {
        final List<SegmentView> seen = new ArrayList<>();
        List<Integer> layers = List.of(0, 1);
        boolean failing;

        @Override
        public List<Integer> layers(long segment) {
            return layers;
        }

        @Override
        public void segment(SegmentView view) {
            if (failing) {
                throw new IllegalStateException("seen enough");
            }
            seen.add(view);
        }
    }

    @Test
    void lookingChangesNoBitOfMemoryAndAnswer() {
        Keeping watcher = new Keeping();
        try (RmtSession plain = model.newSession();
                RmtSession watched = model.newSession()) {
            watched.watch(watcher);
            plain.read(TEXT);
            watched.read(TEXT);
            assertThat(watched.memory()).isEqualTo(plain.memory());
            assertThat(watched.ask(QUESTION).logits())
                    .isEqualTo(plain.ask(QUESTION).logits());
            watched.peek();
            assertThat(watched.memory()).isEqualTo(plain.memory());
        }
        assertThat(watcher.seen).isNotEmpty();
    }

    @Test
    void everySegmentIsShownWithItsNumberAndTheMemoryBeforeAndAfter() {
        Keeping watcher = new Keeping();
        try (RmtSession session = model.newSession()) {
            float[] start = session.memory().values();
            session.watch(watcher);
            session.read(TEXT);
            float[] end = session.memory().values();
            int run = watcher.seen.size();
            assertThat(run).isEqualTo((int) session.memory().segments()).isGreaterThan(1);
            assertThat(watcher.seen.get(0).memoryBefore()).isEqualTo(start);
            for (int i = 0; i < run; i++) {
                SegmentView view = watcher.seen.get(i);
                assertThat(view.index()).isEqualTo(i);
                assertThat(view.answering()).isFalse();
                assertThat(view.memoryAfter())
                        .isEqualTo(i + 1 < run ? watcher.seen.get(i + 1).memoryBefore() : end)
                        .isNotEqualTo(view.memoryBefore());
            }

            session.ask(QUESTION);
            SegmentView last = watcher.seen.get(watcher.seen.size() - 1);
            assertThat(last.answering()).isTrue();
            assertThat(last.memoryAfter()).isEqualTo(last.memoryBefore());
            assertThat(last.labels()).endsWith("w", "##h", "##e", "##r", "##e", "?", "[SEP]");
        }
    }

    @Test
    void labelsNameWhatStandsAtEachPosition() {
        Keeping watcher = new Keeping();
        try (RmtSession session = model.newSession()) {
            session.watch(watcher);
            session.read("abc d");
            session.peek();
        }
        assertThat(watcher.seen).hasSize(1);
        SegmentView view = watcher.seen.get(0);
        assertThat(view.labels())
                .containsExactly(
                        "[CLS]", "[mem 1]", "[mem 2]", "[mem 3]", "[mem 4]", "[SEP]", "a", "##b", "##c", "d", "[SEP]");
        assertThat(view.length()).isEqualTo(11);
        assertThat(view.memoryStart()).isEqualTo(1);
        assertThat(view.contentStart()).isEqualTo(6);
        assertThat(view.contentTokens()).isEqualTo(4);
        assertThat(view.answering()).isFalse();
    }

    @Test
    void everyRowOfAttentionSumsToOneAndHeadsDiffer() {
        Keeping watcher = new Keeping();
        try (RmtSession session = model.newSession()) {
            session.watch(watcher);
            session.read(TEXT);
            session.peek();
        }
        for (SegmentView view : watcher.seen) {
            assertThat(view.layers()).containsExactly(0, 1);
            assertThat(view.numHeads()).isEqualTo(4);
            for (int layer = 0; layer < 2; layer++) {
                for (int head = 0; head < 4; head++) {
                    float[] attention = view.attention(layer, head);
                    assertThat(attention).hasSize(view.length() * view.length());
                    for (int row = 0; row < view.length(); row++) {
                        double sum = 0;
                        for (int column = 0; column < view.length(); column++) {
                            float value = attention[row * view.length() + column];
                            assertThat(value).isPositive();
                            sum += value;
                        }
                        assertThat(sum).isCloseTo(1, within(1e-5));
                    }
                }
            }
            assertThat(view.attention(0, 0)).isNotEqualTo(view.attention(0, 1)).isNotEqualTo(view.attention(1, 0));
        }
    }

    @Test
    void aShareIsTheAverageOfTheRowsOverTheSumOfTheColumns() {
        Keeping watcher = new Keeping();
        try (RmtSession session = model.newSession()) {
            session.watch(watcher);
            session.read(TEXT);
        }
        SegmentView view = watcher.seen.get(0);
        float[] attention = view.attention(1, 2);
        int length = view.length();
        double expected =
                (attention[length + 7] + attention[length + 9] + attention[3 * length + 7] + attention[3 * length + 9])
                        / 2.0;
        assertThat(view.share(1, 2, new int[] {1, 3}, new int[] {7, 9})).isCloseTo(expected, within(1e-7));
    }

    @Test
    void layersAndHeadsThatThereAreNotAreNamedWithTheirRange() {
        Keeping watcher = new Keeping();
        watcher.layers = List.of(1);
        try (RmtSession session = model.newSession()) {
            session.watch(watcher);
            session.read(TEXT);
            SegmentView view = watcher.seen.get(0);
            assertThatThrownBy(() -> view.attention(0, 0)).hasMessageContaining("Layer 0 was not asked for");
            assertThatThrownBy(() -> view.attention(1, 4)).hasMessageContaining("the heads of a layer are 0 to 3");
            assertThatThrownBy(() -> view.share(1, 0, new int[0], new int[] {1}))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> view.share(1, 0, new int[] {view.length()}, new int[] {1}))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void aWatcherThatAsksForAWrongLayerOrFailsLeavesTheSessionWhole() {
        Memory expected;
        try (RmtSession session = model.newSession()) {
            session.read(TEXT);
            expected = session.memory();
        }
        String head = TEXT.substring(0, 30);
        try (RmtSession session = model.newSession()) {
            Keeping watcher = new Keeping();
            watcher.layers = List.of(2);
            session.watch(watcher);
            assertThatThrownBy(() -> session.read(head)).hasMessage("There is no layer 2; the layers are 0 to 1.");
            watcher.layers = List.of(1, 0);
            assertThatThrownBy(session::memory).hasMessage("The layers [1, 0] do not ascend.");
            watcher.layers = List.of();
            watcher.failing = true;
            assertThatThrownBy(session::memory).hasMessage("seen enough");
            session.watch(null);
            session.read(TEXT.substring(30));
            assertThat(session.memory()).isEqualTo(expected);
            assertThat(watcher.seen).isEmpty();
        }
    }

    @Test
    void withoutMemoryTokensAttentionIsShownAllTheSame() {
        ModelConfig config = TestModels.config().numMemTokens(0).build();
        try (RmtModel plain = RmtModel.untrained(config, TestModels.tokenizer(), TestModels.SEED, Device.cpu(1));
                RmtSession session = plain.newSession()) {
            Keeping watcher = new Keeping();
            session.watch(watcher);
            session.read("abc");
            session.peek();
            SegmentView view = watcher.seen.get(0);
            assertThat(view.labels()).containsExactly("[CLS]", "[SEP]", "a", "##b", "##c", "[SEP]");
            assertThat(view.memoryStart()).isEqualTo(-1);
            assertThat(view.numMemTokens()).isZero();
            assertThat(view.contentStart()).isEqualTo(2);
            assertThat(view.memoryAfter()).isEmpty();
        }
    }

    @Test
    void nothingWaitingIsNothingToPeekAt() {
        Keeping watcher = new Keeping();
        try (RmtSession session = model.newSession()) {
            session.watch(watcher);
            session.peek();
        }
        assertThat(watcher.seen).isEmpty();
    }
}
