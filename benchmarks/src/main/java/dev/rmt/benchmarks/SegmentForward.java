package dev.rmt.benchmarks;

import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.util.Arrays;
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

/** One full segment (499 tokens, 10 memory tokens, 512 positions) read by a session: the unit of everything else. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class SegmentForward {
    @Param({"TINY", "MINI", "MINILM"})
    public EncoderShape shape;

    @Param({"1", "2"})
    public int threads;

    private RmtModel model;
    private RmtSession session;
    private int[] ids;

    @Setup
    public void open() {
        ModelConfig config = shape.config();
        WordPieceTokenizer tokenizer = new WordPieceTokenizer(EncoderShape.vocabulary(), WordPieceOptions.defaults());
        model = RmtModel.untrained(config, tokenizer, 42, Device.cpu(threads));
        session = model.newSession();
        ids = new int[config.segmentSize()];
        Arrays.setAll(ids, i -> 5 + i);
    }

    @TearDown
    public void close() {
        session.close();
        model.close();
    }

    /** S tokens: exactly one segment runs, nothing stays pending. */
    @Benchmark
    public long segment() {
        return session.read(ids).segments();
    }
}
