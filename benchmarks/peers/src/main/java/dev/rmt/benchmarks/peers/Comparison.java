package dev.rmt.benchmarks.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.rmt.ModelConfig;
import dev.rmt.benchmarks.EncoderShape;
import dev.rmt.benchmarks.EncoderWork;
import dev.rmt.benchmarks.SeededEncoder;
import dev.rmt.benchmarks.SeededTrainer;
import dev.rmt.benchmarks.SegmentTraining;
import dev.rmt.checkpoint.Weights;
import dev.rmt.internal.NativeMemory;
import dev.rmt.internal.SegmentBatch;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;

/**
 * One model with one number of threads, ours and the peer's both loaded and seen to give equal results, and the ways to do
 * the work that are timed against each other: ours with every row of the last layer, ours with only those that are read (the
 * saving), and the peer.
 */
final class Comparison implements AutoCloseable {
    static final int OURS = 0;
    static final int OURS_SAVING = 1;
    static final int PEER = 2;

    private final EncoderShape shape;
    private final ModelConfig config;
    private final int threads;
    private final Deque<AutoCloseable> loaded = new ArrayDeque<>();
    private String isa;
    private double difference;
    private List<Runnable> ways;
    private double flop;
    private double flopSaving;

    private Comparison(EncoderShape shape, int threads) {
        this.shape = shape;
        this.config = shape.config();
        this.threads = threads;
    }

    /** Loads a part; what it has kept is closed when a later step fails. */
    private interface Loading {
        void into(Comparison comparison) throws OrtException;
    }

    private static Comparison load(EncoderShape shape, int threads, Loading loading) throws OrtException {
        Comparison comparison = new Comparison(shape, threads);
        try {
            loading.into(comparison);
            return comparison;
        } catch (OrtException | RuntimeException e) {
            comparison.close();
            throw e;
        }
    }

    /** One segment of 512 positions. */
    static Comparison besideOnnxRuntime(EncoderShape shape, int threads) throws OrtException {
        return load(shape, threads, Comparison::loadOnnxRuntime);
    }

    /** One segment of 512 positions. */
    static Comparison besideLibtorch(EncoderShape shape, int threads) throws OrtException {
        return load(shape, threads, Comparison::loadLibtorch);
    }

    /** Forward and backward of 8 segments of 512 positions, loss on [CLS]. */
    static Comparison trainingBesideLibtorch(EncoderShape shape, int threads) throws OrtException {
        return load(shape, threads, Comparison::loadTraining);
    }

    private void loadOnnxRuntime() throws OrtException {
        Weights weights = SeededEncoder.weights(config);
        SeededEncoder encoder = keep(new SeededEncoder(config, threads, SeededEncoder.DEFAULT_ISA));
        OnnxEncoder onnx = keep(new OnnxEncoder(config, weights, 1, config.inputLength(), threads));
        onnx.setEmbeddings(embeddings(config, weights, allRows(encoder).ids()));
        float[] theirs = new float[config.numMemTokens() * config.hiddenSize()];
        try (OrtSession.Result result = onnx.run()) {
            ((OnnxTensor) result.get(0)).getFloatBuffer().get(config.hiddenSize(), theirs);
        }
        compareForward(encoder, "onnxruntime", theirs, () -> run(onnx));
    }

    private void loadLibtorch() {
        SeededEncoder encoder = keep(new SeededEncoder(config, threads, SeededEncoder.DEFAULT_ISA));
        TorchEncoder torch = keep(new TorchEncoder(
                config, SeededEncoder.weights(config), allRows(encoder).ids(), new int[1], threads, false));
        compareForward(encoder, "libtorch", torch.memoryRows(), torch::forward);
    }

    private void compareForward(SeededEncoder encoder, String peer, float[] theirs, Runnable run) {
        SegmentBatch all = allRows(encoder);
        SegmentBatch needed = encoder.segment(config.segmentSize(), false);
        float[] ours = encoder.memoryAfter(all);
        SeededEncoder.requireEqual("all rows", encoder.memoryAfter(needed), ours);
        SeededEncoder.requireEqual(peer, ours, theirs);
        NativeMemory memory = keep(encoder.newMemory());
        isa = encoder.isa();
        difference = SeededEncoder.difference(ours, theirs);
        ways = List.of(() -> memory.forward(all, null), () -> memory.forward(needed, null), run);
        flop = EncoderWork.forward(config, config.inputLength());
        flopSaving = EncoderWork.forward(config, config.inputLength(), config.numMemTokens());
    }

    private void loadTraining() {
        SeededTrainer full = keep(trainer(true));
        SeededTrainer saving = keep(trainer(false));
        TorchEncoder torch =
                keep(new TorchEncoder(config, SeededEncoder.weights(config), full.ids(), full.labels(), threads, true));
        Map<String, float[]> theirs = torch.gradients();
        Map<String, float[]> ours = full.gradients();
        SeededTrainer.requireAlike("libtorch", ours, theirs);
        SeededTrainer.requireAlike("libtorch", saving.gradients(), theirs);
        isa = full.isa();
        difference = theirs.entrySet().stream()
                .mapToDouble(entry -> SeededEncoder.difference(ours.get(entry.getKey()), entry.getValue()))
                .max()
                .orElseThrow();
        ways = List.of(full::forwardAndBackward, saving::forwardAndBackward, torch::forwardAndBackward);
        flop = SegmentTraining.BATCH_SIZE * EncoderWork.training(config, config.inputLength(), config.inputLength());
        flopSaving = SegmentTraining.BATCH_SIZE * EncoderWork.training(config, config.inputLength(), 1);
    }

    private SegmentBatch allRows(SeededEncoder encoder) {
        return encoder.segment(config.segmentSize(), true);
    }

    private SeededTrainer trainer(boolean allRows) {
        return new SeededTrainer(
                config, threads, SeededEncoder.DEFAULT_ISA, SegmentTraining.BATCH_SIZE, config.segmentSize(), allRows);
    }

    private <T extends AutoCloseable> T keep(T part) {
        loaded.push(part);
        return part;
    }

    EncoderShape shape() {
        return shape;
    }

    int threads() {
        return threads;
    }

    /** The instruction set that ours runs. */
    String isa() {
        return isa;
    }

    /** Between ours and the peer's results, of the largest value. */
    double difference() {
        return difference;
    }

    /** In the order of {@link #OURS}, {@link #OURS_SAVING}, {@link #PEER}. */
    List<Runnable> ways() {
        return ways;
    }

    /** Floating-point operations of one run. */
    double flop(int way) {
        return way == OURS_SAVING ? flopSaving : flop;
    }

    @Override
    public void close() {
        while (!loaded.isEmpty()) {
            try {
                loaded.pop().close();
            } catch (Exception e) {
                throw new IllegalStateException("A part of the comparison could not be closed: " + e.getMessage(), e);
            }
        }
    }

    /** Word rows (memory rows at 1 ... M) + positions + type 0, (T, H). */
    private static float[] embeddings(ModelConfig config, Weights weights, int[] ids) {
        int h = config.hiddenSize();
        int m = config.numMemTokens();
        float[] words = OnnxEncoder.read(weights, "embeddings.word_embeddings.weight", config.vocabSize() * h);
        float[] positions =
                OnnxEncoder.read(weights, "embeddings.position_embeddings.weight", config.inputLength() * h);
        float[] types = OnnxEncoder.read(weights, "embeddings.token_type_embeddings.weight", h);
        float[] memory = OnnxEncoder.read(weights, Weights.MEMORY, m * h);
        float[] sum = new float[config.inputLength() * h];
        for (int t = 0; t < config.inputLength(); t++) {
            for (int c = 0; c < h; c++) {
                float word = t >= 1 && t <= m ? memory[(t - 1) * h + c] : words[ids[t] * h + c];
                sum[t * h + c] = word + positions[t * h + c] + types[c];
            }
        }
        return sum;
    }

    private static void run(OnnxEncoder onnx) {
        try {
            onnx.run().close();
        } catch (OrtException e) {
            throw new IllegalStateException(e);
        }
    }
}
