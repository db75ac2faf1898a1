package dev.rmt.benchmarks;

import dev.rmt.ModelConfig;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Forward and backward of 8 full segments, loss on [CLS], no dropout, no optimizer, nothing recomputed. Gradients are
 * compared with those of the reference kernels first.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 1, time = 2)
@Measurement(iterations = 3, time = 1)
@Fork(3)
public class SegmentTraining {
    public static final int BATCH_SIZE = 8;

    @Param({"TINY", "MINI", "MINILM"})
    public EncoderShape shape;

    @Param("2")
    public int threads;

    /** Whether every row of the last layer is computed, as others must, or that of [CLS] alone. */
    @Param({"true", "false"})
    public boolean allRows;

    private SeededTrainer trainer;
    private int tokens;

    @Setup
    public void open() {
        ModelConfig config = shape.config();
        int few = Math.min(50, shape.checkedTokens());
        try (SeededTrainer reference = new SeededTrainer(config, 1, SeededEncoder.REFERENCE, 2, few, true);
                SeededTrainer own = new SeededTrainer(config, threads, SeededEncoder.DEFAULT_ISA, 2, few, allRows)) {
            SeededTrainer.requireEqual("the reference kernels", own.gradients(), reference.gradients());
        }
        trainer = new SeededTrainer(
                config, threads, SeededEncoder.DEFAULT_ISA, BATCH_SIZE, config.segmentSize(), allRows);
        tokens = BATCH_SIZE * config.segmentSize();
    }

    @TearDown
    public void close() {
        trainer.close();
    }

    @Benchmark
    public void forwardAndBackward(Tokens counter) {
        trainer.forwardAndBackward();
        counter.tokens += tokens;
    }
}
