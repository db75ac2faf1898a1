package dev.rmt.benchmarks;

import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtBatch;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.SegmentAlignment;
import dev.rmt.text.TokenSource;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
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
 * Several documents at once: side by side in one batch, or each in a session of its own on a Java thread of its own ({@code
 * -t 2}). Every document of a batch is compared with the same one read alone.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(3)
public class ManyDocuments {
    private static final int SEGMENTS = 2;

    /** Documents of two full segments in one batch. */
    @State(Scope.Benchmark)
    public static class Batch {
        @Param({"TINY", "MINILM"})
        public EncoderShape shape;

        @Param({"1", "2"})
        public int threads;

        @Param({"1", "4", "16"})
        public int batch;

        private RmtModel model;
        private RmtBatch reader;
        private int[] ids;
        private long[] lengths;

        @Setup
        public void open() {
            ModelConfig config = shape.config();
            model = SeededEncoder.model(config, Device.cpu(threads));
            reader = model.newBatch(batch);
            ids = SeededEncoder.content(config, SEGMENTS * config.segmentSize());
            lengths = new long[batch];
            Arrays.fill(lengths, ids.length);
            read();
            try (RmtBatch alone = model.newBatch(1)) {
                for (int i = 0; i < batch; i++) {
                    alone.read(List.of(document(i)), new long[] {ids.length}, SegmentAlignment.LEFT);
                    SeededEncoder.requireEqual("document " + i + " read alone", reader.memory(i), alone.memory(0));
                }
            }
        }

        private float[][] read() {
            return reader.read(
                    IntStream.range(0, batch).mapToObj(this::document).toList(), lengths, SegmentAlignment.LEFT);
        }

        /** A different one each. */
        private TokenSource document(int index) {
            return new CyclicTokens(ids, 17 * index);
        }

        @TearDown
        public void close() {
            reader.close();
            model.close();
        }
    }

    /** A model on one thread that sessions of several Java threads share. */
    @State(Scope.Benchmark)
    public static class Shared {
        @Param({"TINY", "MINILM"})
        public EncoderShape shape;

        private RmtModel model;
        private int[] ids;

        @Setup
        public void open() {
            model = SeededEncoder.model(shape.config(), Device.cpu(1));
            ids = SeededEncoder.content(shape.config(), shape.config().segmentSize());
        }

        @TearDown
        public void close() {
            model.close();
        }
    }

    /** A session of one Java thread. */
    @State(Scope.Thread)
    public static class Reader {
        private RmtSession session;

        @Setup
        public void open(Shared shared) {
            session = shared.model.newSession();
        }

        @TearDown
        public void close() {
            session.close();
        }
    }

    @Benchmark
    public float[][] batch(Batch state, Tokens counter) {
        counter.tokens += (long) state.batch * state.ids.length;
        return state.read();
    }

    /** One segment. */
    @Benchmark
    public long sessions(Shared shared, Reader reader, Tokens counter) {
        counter.tokens += shared.ids.length;
        return reader.session.read(shared.ids).segments();
    }
}
