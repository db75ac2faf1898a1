package dev.rmt.benchmarks;

import dev.rmt.checkpoint.BuiltInModel;
import dev.rmt.checkpoint.ModelDirectory;
import dev.rmt.task.ProseGenerator;
import dev.rmt.text.WordPieceStream;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * UTF-8 of English prose to ids of the built-in model's 6,000 pieces, in pieces of 2 kB as a session reads a file; {@code -t N}
 * for several threads. The ids are compared with those of the whole text, and counted.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(3)
public class Tokenizer {
    private static final int CHARACTERS = 1_000_000;
    private static final int PIECE = 2048;

    private WordPieceTokenizer tokenizer;
    private byte[] utf8;
    private int tokens;

    /** What one thread reads with. */
    @State(Scope.Thread)
    public static class Reader {
        private WordPieceStream stream;
        private final int[] ids = new int[499];

        @Setup
        public void open(Tokenizer benchmark) {
            stream = benchmark.tokenizer.newStream();
        }
    }

    @Setup
    public void open() throws IOException {
        tokenizer = BuiltInModel.open(ModelDirectory::tokenizer);
        StringBuilder prose = new StringBuilder();
        new ProseGenerator(7).write(prose, CHARACTERS);
        utf8 = prose.toString().getBytes(StandardCharsets.UTF_8);
        int[] expected = tokenizer.encode(prose);
        Reader reader = new Reader();
        reader.open(this);
        int[] actual = new int[expected.length + 1];
        int count = 0;
        for (int at = 0; at < utf8.length; at += PIECE) {
            reader.stream.feedBytes(utf8, at, Math.min(PIECE, utf8.length - at));
            count += reader.stream.drain(actual, count, actual.length - count);
        }
        reader.stream.finish();
        count += reader.stream.drain(actual, count, actual.length - count);
        if (count != expected.length || !Arrays.equals(Arrays.copyOf(actual, count), expected)) {
            throw new IllegalStateException(
                    "The ids of the text in pieces are not those of the whole; nothing is timed.");
        }
        tokens = count;
    }

    @Benchmark
    public int text(Reader reader, Tokens counter) {
        WordPieceStream stream = reader.stream;
        int count = 0;
        for (int at = 0; at < utf8.length; at += PIECE) {
            stream.feedBytes(utf8, at, Math.min(PIECE, utf8.length - at));
            count += drain(reader);
        }
        stream.finish();
        count += drain(reader);
        if (count != tokens) {
            throw new IllegalStateException(count + " tokens instead of " + tokens);
        }
        counter.tokens += count;
        return count;
    }

    private static int drain(Reader reader) {
        int total = 0;
        int count;
        do {
            count = reader.stream.drain(reader.ids, 0, reader.ids.length);
            total += count;
        } while (count == reader.ids.length);
        return total;
    }
}
