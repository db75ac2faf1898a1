package dev.rmt.benchmarks;

import dev.rmt.ModelConfig;
import dev.rmt.internal.NativeMemory;
import dev.rmt.internal.SegmentBatch;
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
 * One full segment (499 tokens, 10 memory tokens, 512 positions): the unit of everything else. Compared with the reference
 * kernels first. {@code -p isa=avx2,portable} sets other kernels against each other.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(3)
public class SegmentForward {
    @Param({"TINY", "MINI", "MINILM", "BASE"})
    public EncoderShape shape;

    @Param({"1", "2"})
    public int threads;

    @Param(SeededEncoder.DEFAULT_ISA)
    public String isa;

    private SeededEncoder encoder;
    private NativeMemory memory;
    private SegmentBatch all;
    private SegmentBatch needed;
    private int tokens;

    @Setup
    public void open() {
        ModelConfig config = shape.config();
        encoder = new SeededEncoder(config, threads, isa);
        encoder.verify(shape.checkedTokens());
        memory = encoder.newMemory();
        tokens = config.segmentSize();
        all = encoder.segment(tokens, true);
        needed = encoder.segment(tokens, false);
    }

    @TearDown
    public void close() {
        memory.close();
        encoder.close();
    }

    /** Every row of every layer, as others must compute it. */
    @Benchmark
    public void full(Tokens counter) {
        memory.forward(all, null);
        counter.tokens += tokens;
    }

    /** Of the last layer the memory rows alone: a segment that is not a document's last. */
    @Benchmark
    public void recurrence(Tokens counter) {
        memory.forward(needed, null);
        counter.tokens += tokens;
    }
}
