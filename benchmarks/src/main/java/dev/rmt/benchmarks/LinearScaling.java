package dev.rmt.benchmarks;

import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtBatch;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.SegmentAlignment;
import java.util.List;
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
 * A whole document of many segments, from a fresh memory to its classification. Time should grow as the number of segments
 * does and memory not at all: with {@code -prof dev.rmt.benchmarks.ResidentMemory} JMH shows that too. The Java heap is
 * resident from the start, so that what grows is seen. The memory after a few segments is compared with that of a session
 * that gets the same text in odd pieces.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(
        value = 3,
        jvmArgsAppend = {"-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC"})
public class LinearScaling {
    private static final int CHECKED_SEGMENTS = 3;
    private static final int ODD_PIECE = 333;

    @Param("TINY")
    public EncoderShape shape;

    @Param("2")
    public int threads;

    @Param({"1", "2", "4", "8", "16", "32", "64", "128", "256", "512", "1024", "2048", "4096"})
    public int segments;

    private RmtModel model;
    private RmtBatch reader;
    private int[] ids;
    private long tokens;

    @Setup
    public void open() {
        ModelConfig config = shape.config();
        try (SeededEncoder encoder = new SeededEncoder(config, threads, SeededEncoder.DEFAULT_ISA)) {
            encoder.verify(shape.checkedTokens());
        }
        model = SeededEncoder.model(config, Device.cpu(threads));
        reader = model.newBatch(1);
        ids = SeededEncoder.content(config, CHECKED_SEGMENTS * config.segmentSize());
        read(ids.length);
        SeededEncoder.requireEqual("a session that got the text in pieces", reader.memory(0), memoryOfPieces());
        tokens = (long) segments * config.segmentSize();
    }

    private float[] memoryOfPieces() {
        try (RmtSession session = model.newSession()) {
            for (int at = 0; at < ids.length; at += ODD_PIECE) {
                session.read(java.util.Arrays.copyOfRange(ids, at, Math.min(ids.length, at + ODD_PIECE)));
            }
            return session.memory().values();
        }
    }

    @TearDown
    public void close() {
        reader.close();
        model.close();
    }

    @Benchmark
    public float[][] document(Tokens counter) {
        counter.tokens += tokens;
        return read(tokens);
    }

    private float[][] read(long length) {
        return reader.read(List.of(new CyclicTokens(ids, 0)), new long[] {length}, SegmentAlignment.LEFT);
    }
}
