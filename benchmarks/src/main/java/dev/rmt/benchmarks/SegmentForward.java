package dev.rmt.benchmarks;

import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
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

/** One full segment (499 tokens, 10 memory tokens, 512 positions) read by a session: the unit of everything else. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class SegmentForward {
    /** Encoders that others publish figures for. */
    public enum Shape {
        TINY(2, 128, 2),
        MINI(4, 256, 4),
        MINILM(6, 384, 12);

        private final int layers;
        private final int hiddenSize;
        private final int heads;

        Shape(int layers, int hiddenSize, int heads) {
            this.layers = layers;
            this.hiddenSize = hiddenSize;
            this.heads = heads;
        }
    }

    @Param
    public Shape shape;

    @Param({"1", "2"})
    public int threads;

    private RmtModel model;
    private RmtSession session;
    private int[] ids;

    @Setup
    public void open() {
        List<String> pieces = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
        for (int i = pieces.size(); i < 1000; i++) {
            pieces.add("word" + i);
        }
        ModelConfig config = ModelConfig.builder()
                .hiddenSize(shape.hiddenSize)
                .numLayers(shape.layers)
                .numHeads(shape.heads)
                .intermediateSize(4 * shape.hiddenSize)
                .vocabSize(pieces.size())
                .labels(List.of("yes", "no"))
                .build();
        WordPieceTokenizer tokenizer = new WordPieceTokenizer(Vocabulary.of(pieces), WordPieceOptions.defaults());
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
