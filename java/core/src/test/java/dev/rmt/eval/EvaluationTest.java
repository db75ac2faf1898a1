package dev.rmt.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.rmt.Device;
import dev.rmt.ReadInterruptedException;
import dev.rmt.RmtBatch;
import dev.rmt.RmtModel;
import dev.rmt.SegmentAlignment;
import dev.rmt.TestModels;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.Noise;
import dev.rmt.task.Placement;
import dev.rmt.task.ReasonFacts;
import dev.rmt.task.SampleSeeds;
import dev.rmt.task.Split;
import dev.rmt.task.TaskKind;
import dev.rmt.task.TaskSample;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class EvaluationTest {
    private static final int SEGMENTS = 3;
    private static final int SAMPLES = 7;
    private static final long SEED = 9;

    private static RmtModel model;
    private static MemoryTask task;

    @BeforeAll
    static void load() {
        // Facts in letters take many tokens, so segments must be long.
        model = RmtModel.untrained(
                TestModels.config().maxPositions(256).inputLength(256).build(),
                TestModels.tokenizer(),
                TestModels.SEED,
                Device.cpu(1));
        task = new MemoryTask(
                TaskKind.DETECT,
                Placement.ANY,
                model.tokenizer(),
                Noise.generated(model.tokenizer(), 1),
                ReasonFacts.generated(),
                model.config().segmentSize(),
                Split.VALIDATION);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static Evaluation.Builder evaluation() {
        return Evaluation.builder(model)
                .task(task)
                .segments(SEGMENTS)
                .samples(SAMPLES)
                .seed(SEED);
    }

    /** Whether the model answers sample k rightly, read alone. */
    private static boolean answered(int k, boolean reset) {
        TaskSample sample = task.sample(SampleSeeds.of(SEED, k), SEGMENTS);
        try (RmtBatch batch = model.newBatch(1)) {
            float[] logits = batch.read(
                            List.of(sample),
                            new long[] {sample.length()},
                            SegmentAlignment.RIGHT,
                            false,
                            new RmtBatch.Listener() {
                                @Override
                                public void beforeStep(RmtBatch inside, long step, long steps) {
                                    if (reset && step == steps - 1) {
                                        inside.resetMemories();
                                    }
                                }
                            })[0];
            int largest = 0;
            for (int i = 0; i < logits.length; i++) {
                largest = logits[i] > logits[largest] ? i : largest;
            }
            return largest == sample.label();
        }
    }

    private static int correct(int samples) {
        int correct = 0;
        for (int k = 0; k < samples; k++) {
            correct += answered(k, false) ? 1 : 0;
        }
        return correct;
    }

    @Test
    void aRowCountsWhatEachSampleReadAloneGives() {
        EvaluationRow row = evaluation().batchSize(3).build().run();

        assertThat(row.correct()).isEqualTo(correct(SAMPLES));
        assertThat(row.samples()).isEqualTo(SAMPLES);
        assertThat(row.accuracy()).isEqualTo((double) row.correct() / SAMPLES);
        assertThat(row.task()).isEqualTo("detect");
        assertThat(row.placement()).isEqualTo("any");
        assertThat(row.alignment()).isEqualTo("RIGHT");
        assertThat(row.segments()).isEqualTo(SEGMENTS);
        assertThat(row.tokens()).isEqualTo((long) SEGMENTS * model.config().segmentSize());
        assertThat(row.msPerSegment()).isPositive();
        assertThat(row.tokensPerSecond() * row.msPerSegment() / 1e3)
                .isCloseTo(model.config().segmentSize(), within(1e-6));
        assertThat(row.interval().contains(row.accuracy())).isTrue();
    }

    @Test
    void theBatchSizeDoesNotChangeWhatIsCounted() {
        int one = evaluation().batchSize(1).build().run().correct();
        assertThat(evaluation().batchSize(SAMPLES).build().run().correct()).isEqualTo(one);
        assertThat(evaluation().batchSize(100).build().run().correct()).isEqualTo(one);
    }

    @Test
    void aRowThatIsContinuedCountsLikeOneThatWasNeverBrokenOff() {
        EvaluationRow part = evaluation().samples(4).batchSize(2).build().run();
        EvaluationRow whole = evaluation().batchSize(3).resumeFrom(part).build().run();

        assertThat(whole.samples()).isEqualTo(SAMPLES);
        assertThat(whole.correct()).isEqualTo(evaluation().build().run().correct());
        assertThat(whole.seconds()).isGreaterThan(part.seconds());
    }

    @Test
    void aRowThatIsCompleteIsReturnedAsItIs() {
        EvaluationRow row = evaluation().build().run();
        assertThat(evaluation().resumeFrom(row).build().run()).isEqualTo(row);
    }

    @Test
    void progressTellsSegmentsAndARowAfterEachBatch() {
        List<Long> done = new ArrayList<>();
        List<EvaluationRow> rows = new ArrayList<>();
        evaluation()
                .batchSize(3)
                .progress(new ProgressListener() {
                    @Override
                    public void onSegments(long count, long total) {
                        assertThat(total).isEqualTo((long) SAMPLES * SEGMENTS);
                        done.add(count);
                    }

                    @Override
                    public void onBatch(EvaluationRow soFar) {
                        rows.add(soFar);
                    }
                })
                .build()
                .run();

        assertThat(done).containsExactly(0L, 3L, 6L, 9L, 12L, 15L, 18L, 19L, 20L);
        assertThat(rows).extracting(EvaluationRow::samples).containsExactly(3, 6, 7);
        assertThat(rows).extracting(EvaluationRow::correct).containsExactly(correct(3), correct(6), correct(7));
    }

    @Test
    void memoryThatIsResetLeavesTheLastSegmentAlone() {
        int expected = 0;
        for (int k = 0; k < SAMPLES; k++) {
            expected += answered(k, true) ? 1 : 0;
        }
        assertThat(evaluation().batchSize(4).resetMemory(true).build().run().correct())
                .isEqualTo(expected);
    }

    @Test
    void anEvaluationThatIsCancelledStopsAndKeepsWhatWasReported() {
        AtomicReference<Evaluation> running = new AtomicReference<>();
        List<EvaluationRow> rows = new ArrayList<>();
        running.set(evaluation()
                .batchSize(2)
                .progress(new ProgressListener() {
                    @Override
                    public void onBatch(EvaluationRow soFar) {
                        rows.add(soFar);
                        running.get().cancel();
                    }
                })
                .build());

        assertThatThrownBy(() -> running.get().run()).isInstanceOf(CancellationException.class);
        assertThat(rows).extracting(EvaluationRow::samples).containsExactly(2);
    }

    @Test
    void anInterruptStopsAnEvaluation() {
        Thread.currentThread().interrupt();
        assertThatThrownBy(() -> evaluation().build().run()).isInstanceOf(ReadInterruptedException.class);
        assertThat(Thread.interrupted()).isTrue();
    }

    @Test
    void settingsThatDoNotFitAreRefused() {
        assertThatThrownBy(() -> evaluation().samples(0).build()).hasMessageContaining("number of samples is 0");
        assertThatThrownBy(() -> evaluation().segments(0).build()).hasMessageContaining("number of segments is 0");
        assertThatThrownBy(() -> evaluation().batchSize(0).build()).hasMessageContaining("batch size is 0");
        EvaluationRow row = evaluation().build().run();
        assertThatThrownBy(() -> evaluation().samples(3).resumeFrom(row).build())
                .hasMessageContaining("7 samples");
        assertThatThrownBy(() -> evaluation().segments(2).resumeFrom(row).build())
                .hasMessageContaining("3 segments");
        try (RmtModel other = TestModels.tiny()) {
            assertThatThrownBy(() -> Evaluation.builder(other).task(task).build())
                    .hasMessageContaining("segments of 249")
                    .hasMessageContaining("segments of 16");
        }
    }
}
