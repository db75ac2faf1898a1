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
 * The alternative to recurrence: the same encoder with a longer position table reads the whole document as one segment, every
 * token attending to every other. Compare with {@link LinearScaling} at positions / 512 segments. The same kernels, and
 * here too only the rows of the last layer that somebody reads.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 2, time = 1)
@Fork(
        value = 3,
        jvmArgsAppend = {"-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC"})
public class FullAttention {
    /** More than fit a segment of 512: the reference kernels need seconds for more. */
    private static final int CHECKED_TOKENS = 600;

    @Param("TINY")
    public EncoderShape shape;

    @Param("2")
    public int threads;

    @Param({"512", "1024", "2048", "4096", "8192", "16384", "32768"})
    public int positions;

    private SeededEncoder encoder;
    private NativeMemory memory;
    private SegmentBatch segment;
    private int tokens;

    @Setup
    public void open() {
        ModelConfig config = shape.config().toBuilder()
                .maxPositions(positions)
                .inputLength(positions)
                .build();
        encoder = new SeededEncoder(config, threads, SeededEncoder.DEFAULT_ISA);
        tokens = config.segmentSize();
        encoder.verify(Math.min(CHECKED_TOKENS, tokens));
        memory = encoder.newMemory();
        segment = encoder.segment(tokens, false);
    }

    @TearDown
    public void close() {
        memory.close();
        encoder.close();
    }

    @Benchmark
    public void document(Tokens counter) {
        memory.forward(segment, null);
        counter.tokens += tokens;
    }
}
