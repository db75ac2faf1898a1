package dev.rmt.benchmarks.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.ModelConfig;
import dev.rmt.benchmarks.EncoderShape;
import dev.rmt.benchmarks.EncoderWork;
import dev.rmt.benchmarks.FmaPeak;
import dev.rmt.benchmarks.Rounds;
import dev.rmt.benchmarks.SeededEncoder;
import dev.rmt.benchmarks.SeededTrainer;
import dev.rmt.benchmarks.SegmentTraining;
import dev.rmt.checkpoint.Weights;
import dev.rmt.internal.NativeMemory;
import dev.rmt.internal.SegmentBatch;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Ours beside a peer on the same work, with the same weights and equal threads, in one process: equal results first, then
 * alternating windows of back-to-back runs. One peer a process, since idle threads of one disturb the other. Forward: one
 * segment of 512 positions. Training: forward and backward of 8 of them, loss on [CLS].
 */
@Command(name = "PeerComparison", mixinStandardHelpOptions = true)
public final class PeerComparison implements Callable<Integer> {
    private static final String ONNX_RUNTIME = "onnxruntime";
    private static final String LIBTORCH = "libtorch";
    private static final int OURS = 0;
    private static final int OURS_SAVING = 1;
    private static final int PEER = 2;

    /** What is compared. */
    enum Work {
        FORWARD,
        TRAINING
    }

    @Option(names = "--peer", required = true, description = "onnxruntime or libtorch")
    private String peer;

    @Option(names = "--work", defaultValue = "forward", description = "forward or training (libtorch only)")
    private Work work;

    @Option(
            names = "--models",
            split = ",",
            defaultValue = "TINY,MINI,MINILM",
            description = "${COMPLETION-CANDIDATES}")
    private List<EncoderShape> models;

    @Option(names = "--threads", split = ",", defaultValue = "2")
    private List<Integer> threads;

    @Option(names = "--rounds", defaultValue = "9")
    private int rounds;

    @Option(names = "--window", defaultValue = "0.3", description = "seconds")
    private double window;

    @Option(names = "--peak", defaultValue = "", description = "the program fma_peak")
    private String peakProgram;

    @Option(names = "--json", description = "where rows are written too")
    private Path json;

    private final ObjectMapper mapper = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
    private final ArrayNode rows = mapper.createArrayNode();
    private double difference;
    private double peak;

    private PeerComparison() {}

    public static void main(String[] arguments) {
        CommandLine line = new CommandLine(new PeerComparison()).setCaseInsensitiveEnumValuesAllowed(true);
        System.exit(line.execute(arguments));
    }

    @Override
    public Integer call() throws OrtException, IOException {
        if (!peer.equals(ONNX_RUNTIME) && !peer.equals(LIBTORCH)
                || peer.equals(ONNX_RUNTIME) && work == Work.TRAINING) {
            throw new IllegalArgumentException("There is no " + work + " of " + peer + ".");
        }
        System.out.println("benchmark                  model    threads  isa       difference    ours ms    peer ms"
                + "  peer / ours         of peak  peer");
        for (EncoderShape shape : models) {
            for (int count : threads) {
                if (work == Work.TRAINING) {
                    compareTraining(shape, count);
                } else {
                    compareForward(shape, count);
                }
                if (json != null) { // after each, so that what comes later cannot take it away
                    mapper.writeValue(json.toFile(), rows);
                }
            }
        }
        return 0;
    }

    private void compareForward(EncoderShape shape, int count) throws OrtException {
        ModelConfig config = shape.config();
        int positions = config.inputLength();
        try (SeededEncoder encoder = new SeededEncoder(config, count, SeededEncoder.DEFAULT_ISA);
                NativeMemory memory = encoder.newMemory()) {
            SegmentBatch all = encoder.segment(config.segmentSize(), true);
            SegmentBatch needed = encoder.segment(config.segmentSize(), false);
            Runnable full = () -> memory.forward(all, null);
            Runnable recurrence = () -> memory.forward(needed, null);
            float[] ours = encoder.memoryAfter(all);
            SeededEncoder.requireEqual("all rows", encoder.memoryAfter(needed), ours);
            Rounds times = peer.equals(ONNX_RUNTIME)
                    ? besideOnnxRuntime(config, all, ours, count, full, recurrence)
                    : besideLibtorch(config, all, ours, count, full, recurrence);
            double flop = EncoderWork.forward(config, positions);
            double fewer = EncoderWork.forward(config, positions, config.numMemTokens());
            add("SegmentForward.full", shape, count, encoder.isa(), times, OURS, flop, flop);
            add("SegmentForward.recurrence", shape, count, encoder.isa(), times, OURS_SAVING, fewer, flop);
        }
    }

    private Rounds besideOnnxRuntime(
            ModelConfig config, SegmentBatch segment, float[] ours, int count, Runnable full, Runnable recurrence)
            throws OrtException {
        Weights weights = SeededEncoder.weights(config);
        try (OnnxEncoder onnx = new OnnxEncoder(config, weights, 1, config.inputLength(), count)) {
            onnx.setEmbeddings(embeddings(config, weights, segment.ids()));
            float[] theirs = new float[ours.length];
            try (OrtSession.Result result = onnx.run()) {
                FloatBuffer hidden = ((OnnxTensor) result.get(0)).getFloatBuffer();
                hidden.get(config.hiddenSize(), theirs);
            }
            requireEqual(ours, theirs);
            return measure(List.of(full, recurrence, () -> run(onnx)), count);
        }
    }

    private Rounds besideLibtorch(
            ModelConfig config, SegmentBatch segment, float[] ours, int count, Runnable full, Runnable recurrence) {
        Weights weights = SeededEncoder.weights(config);
        try (TorchEncoder torch = new TorchEncoder(config, weights, segment.ids(), new int[1], count, false)) {
            requireEqual(ours, torch.memoryRows());
            return measure(List.of(full, recurrence, torch::forward), count);
        }
    }

    private void requireEqual(float[] ours, float[] theirs) {
        difference = SeededEncoder.difference(ours, theirs);
        SeededEncoder.requireEqual(peer, ours, theirs);
    }

    private void compareTraining(EncoderShape shape, int count) {
        ModelConfig config = shape.config();
        int positions = config.inputLength();
        int batch = SegmentTraining.BATCH_SIZE;
        try (SeededTrainer full = trainer(config, count, true);
                SeededTrainer saving = trainer(config, count, false);
                TorchEncoder torch = new TorchEncoder(
                        config, SeededEncoder.weights(config), full.ids(), full.labels(), count, true)) {
            Map<String, float[]> theirs = torch.gradients();
            Map<String, float[]> ours = full.gradients();
            SeededTrainer.requireAlike(peer, ours, theirs);
            SeededTrainer.requireAlike(peer, saving.gradients(), theirs);
            difference = theirs.entrySet().stream()
                    .mapToDouble(entry -> SeededEncoder.difference(ours.get(entry.getKey()), entry.getValue()))
                    .max()
                    .orElseThrow();
            Rounds times = measure(
                    List.of(full::forwardAndBackward, saving::forwardAndBackward, torch::forwardAndBackward), count);
            double flop = batch * EncoderWork.training(config, positions, positions);
            double fewer = batch * EncoderWork.training(config, positions, 1);
            add("SegmentTraining.allRows", shape, count, full.isa(), times, OURS, flop, flop);
            add("SegmentTraining.saving", shape, count, full.isa(), times, OURS_SAVING, fewer, flop);
        }
    }

    private static SeededTrainer trainer(ModelConfig config, int count, boolean allRows) {
        return new SeededTrainer(
                config, count, SeededEncoder.DEFAULT_ISA, SegmentTraining.BATCH_SIZE, config.segmentSize(), allRows);
    }

    private Rounds measure(List<Runnable> ways, int count) {
        FmaPeak program = new FmaPeak(peakProgram);
        peak = Double.NaN;
        return Rounds.of(ways, rounds, window, () -> {
            double gflops = program.gflops(SeededEncoder.DEFAULT_ISA, count);
            peak = Double.isNaN(peak) ? gflops : Math.max(peak, gflops);
        });
    }

    private void add(
            String benchmark,
            EncoderShape shape,
            int count,
            String isa,
            Rounds times,
            int ours,
            double oursFlop,
            double peerFlop) {
        Rounds.Ratio ratio = times.ratio(PEER, ours);
        double share = oursFlop / times.milliseconds(ours) / 1e6 / peak;
        double peerShare = peerFlop / times.milliseconds(PEER) / 1e6 / peak;
        String model = shape.name().toLowerCase(Locale.ROOT);
        ObjectNode row = rows.addObject()
                .put("benchmark", benchmark)
                .put("model", model)
                .put("peer", peer)
                .put("threads", count)
                .put("ours_ms", times.milliseconds(ours))
                .put("peer_ms", times.milliseconds(PEER))
                .put("ratio", ratio.median())
                .put("ratio_min", ratio.smallest())
                .put("ratio_max", ratio.largest());
        putFinite(row, "share_of_peak", share);
        putFinite(row, "peer_share_of_peak", peerShare);
        putFinite(row, "peak_gflops", peak);
        row.put("difference", difference).put("isa", isa).put("peer_version", version());
        row.put("omp_wait_policy", System.getenv("OMP_WAIT_POLICY"));
        System.out.printf(
                Locale.ROOT,
                "%-26s %-8s %7d  %-8s %11.1e %10.3f %10.3f  %.2f (%.2f-%.2f)  %7.0f %% %4.0f %%%n",
                benchmark,
                model,
                count,
                isa,
                difference,
                times.milliseconds(ours),
                times.milliseconds(PEER),
                ratio.median(),
                ratio.smallest(),
                ratio.largest(),
                100 * share,
                100 * peerShare);
    }

    private String version() {
        return peer.equals(LIBTORCH) ? TorchEncoder.version() : OnnxEncoder.version();
    }

    private static void putFinite(ObjectNode row, String key, double value) {
        if (Double.isFinite(value)) {
            row.put(key, value);
        } else {
            row.putNull(key);
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
