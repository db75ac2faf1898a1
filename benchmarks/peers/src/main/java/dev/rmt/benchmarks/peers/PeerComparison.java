package dev.rmt.benchmarks.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.benchmarks.EncoderShape;
import dev.rmt.checkpoint.RandomWeights;
import dev.rmt.checkpoint.Weights;
import dev.rmt.internal.NativeDevice;
import dev.rmt.internal.NativeModel;
import dev.rmt.internal.SegmentBackend;
import dev.rmt.internal.SegmentBatch;
import dev.rmt.internal.SegmentLayout;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * One segment of 512 positions, ours against ONNX Runtime's fused encoder with the same weights and equal threads, in one
 * process: equal memory rows first, then alternating windows of back-to-back runs; medians of the ratios window by
 * window. "full" computes every row of the last layer, as the peer must; "recurrence" is what a reader runs: memory rows
 * only, through {@link RmtSession#read(int[])}.
 */
public final class PeerComparison {
    private static final int ROUNDS = 9;
    private static final long WINDOW_NANOS = 300_000_000;
    private static final double LARGEST_DIFFERENCE = 5e-6;

    private PeerComparison() {}

    /** Arguments: number of threads (default 2), then names of models (default: tiny mini minilm). */
    public static void main(String[] arguments) throws OrtException {
        int threads = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 2;
        List<String> names = arguments.length > 1
                ? Arrays.asList(arguments).subList(1, arguments.length)
                : List.of("tiny", "mini", "minilm");
        System.out.println("model     threads  isa      difference  ours full ms  recurrence ms  ONNX Runtime ms"
                + "  ONNX Runtime / full  ONNX Runtime / recurrence");
        for (String name : names) {
            compare(EncoderShape.valueOf(name.toUpperCase(Locale.ROOT)), threads);
        }
    }

    private static void compare(EncoderShape shape, int threads) throws OrtException {
        Vocabulary vocabulary = EncoderShape.vocabulary();
        ModelConfig config = shape.config();
        long seed = 42;
        Weights weights = new RandomWeights(config, seed);
        int[] content = content(config);
        Device device = Device.cpu(threads);
        try (RmtModel model = RmtModel.untrained(
                        config, new WordPieceTokenizer(vocabulary, WordPieceOptions.defaults()), seed, device);
                RmtSession session = model.newSession();
                NativeDevice pool = NativeDevice.cpu(threads);
                NativeModel twin = copy(config, weights, pool);
                SegmentBackend full = twin.newMemory(1, 1);
                OnnxEncoder peer = new OnnxEncoder(config, weights, 1, config.inputLength(), threads)) {
            SegmentLayout layout = SegmentLayout.encoder(
                    config.inputLength(), config.numMemTokens(), vocabulary.clsId(), vocabulary.sepId());
            SegmentBatch batch = new SegmentBatch(1, config.inputLength());
            layout.addTo(batch, 0, content, 0, content.length, true, false);
            batch.allRows(true);

            peer.setEmbeddings(embeddings(config, weights, batch.ids()));
            session.read(content);
            full.forward(batch, null);
            float[] state = new float[full.memorySize()];
            full.getMemory(0, state);
            float[] expected = memoryRows(config, peer);
            double difference = Math.max(difference(session.memory().values(), expected), difference(state, expected));
            if (!(difference <= LARGEST_DIFFERENCE)) {
                throw new IllegalStateException(
                        "Memory of " + shape + " differs from the peer's by " + difference + "; nothing is timed.");
            }

            Runnable oursFull = () -> full.forward(batch, null);
            Runnable oursRecurrence = () -> session.read(content);
            Runnable onnx = () -> run(peer);
            List<Runnable> runs = List.of(oursFull, oursRecurrence, onnx);
            runs.forEach(PeerComparison::window);
            double[][] milliseconds = new double[runs.size()][ROUNDS];
            for (int round = 0; round < ROUNDS; round++) {
                for (int i = 0; i < runs.size(); i++) {
                    int turn = round % 2 == 0 ? i : runs.size() - 1 - i;
                    milliseconds[turn][round] = window(runs.get(turn));
                }
            }
            System.out.printf(
                    Locale.ROOT,
                    "%-8s%9d  %-8s%11.1e%14.3f%15.3f%17.3f%21s%27s%n",
                    shape.name().toLowerCase(Locale.ROOT),
                    threads,
                    model.deviceInfo().arithmetic(),
                    difference,
                    median(milliseconds[0]),
                    median(milliseconds[1]),
                    median(milliseconds[2]),
                    ratios(milliseconds[2], milliseconds[0]),
                    ratios(milliseconds[2], milliseconds[1]));
        }
    }

    private static int[] content(ModelConfig config) {
        SplittableRandom random = new SplittableRandom(7);
        int[] ids = new int[config.segmentSize()];
        Arrays.setAll(ids, i -> random.nextInt(5, config.vocabSize()));
        return ids;
    }

    private static NativeModel copy(ModelConfig config, Weights weights, NativeDevice device) {
        NativeModel model = NativeModel.create(device, config);
        for (NativeModel.Parameter parameter : model.parameters()) {
            float[] values = new float[Math.toIntExact(parameter.count())];
            weights.read(parameter.name(), 0, values, 0, values.length);
            model.setParameter(parameter, values, 0, values.length);
        }
        model.finish();
        return model;
    }

    /** Word rows (memory rows at 1 ... M) + positions + type 0, (T, H). */
    private static float[] embeddings(ModelConfig config, Weights weights, int[] ids) {
        int h = config.hiddenSize();
        int m = config.numMemTokens();
        float[] words = read(weights, "embeddings.word_embeddings.weight", config.vocabSize() * h);
        float[] positions = read(weights, "embeddings.position_embeddings.weight", config.inputLength() * h);
        float[] types = read(weights, "embeddings.token_type_embeddings.weight", h);
        float[] memory = read(weights, Weights.MEMORY, m * h);
        float[] sum = new float[config.inputLength() * h];
        for (int t = 0; t < config.inputLength(); t++) {
            for (int c = 0; c < h; c++) {
                float word = t >= 1 && t <= m ? memory[(t - 1) * h + c] : words[ids[t] * h + c];
                sum[t * h + c] = word + positions[t * h + c] + types[c];
            }
        }
        return sum;
    }

    private static float[] read(Weights weights, String name, int count) {
        float[] values = new float[count];
        weights.read(name, 0, values, 0, count);
        return values;
    }

    private static float[] memoryRows(ModelConfig config, OnnxEncoder peer) throws OrtException {
        float[] rows = new float[config.numMemTokens() * config.hiddenSize()];
        try (OrtSession.Result result = peer.run()) {
            FloatBuffer hidden = ((OnnxTensor) result.get(0)).getFloatBuffer();
            hidden.get(config.hiddenSize(), rows);
        }
        return rows;
    }

    private static double difference(float[] actual, float[] expected) {
        double difference = 0;
        double magnitude = 0;
        for (int i = 0; i < expected.length; i++) {
            difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
            magnitude = Math.max(magnitude, Math.abs(expected[i]));
        }
        return difference / magnitude;
    }

    private static void run(OnnxEncoder peer) {
        try {
            peer.run().close();
        } catch (OrtException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Milliseconds of one run, from as many as fit into a window. */
    private static double window(Runnable run) {
        long begin = System.nanoTime();
        long elapsed;
        int count = 0;
        do {
            run.run();
            count++;
            elapsed = System.nanoTime() - begin;
        } while (elapsed < WINDOW_NANOS);
        return elapsed / 1e6 / count;
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    private static String ratios(double[] peer, double[] ours) {
        double[] ratios = new double[peer.length];
        Arrays.setAll(ratios, i -> peer[i] / ours[i]);
        Arrays.sort(ratios);
        return String.format(Locale.ROOT, "%.2f (%.2f-%.2f)", median(ratios), ratios[0], ratios[ratios.length - 1]);
    }
}
