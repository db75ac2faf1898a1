package dev.rmt.benchmarks.peers;

import ai.onnxruntime.OrtException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.benchmarks.EncoderShape;
import dev.rmt.benchmarks.FmaPeak;
import dev.rmt.benchmarks.Rounds;
import dev.rmt.benchmarks.SeededEncoder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Ours beside a peer on the same work, with the same weights and equal threads, in one process: equal results first, then
 * alternating windows of back-to-back runs. One peer a process, since idle threads of one disturb the other.
 */
@Command(name = "PeerComparison", mixinStandardHelpOptions = true)
public final class PeerComparison implements Callable<Integer> {
    private static final String ONNX_RUNTIME = "onnxruntime";
    private static final String LIBTORCH = "libtorch";

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
        List<Comparison> comparisons = new ArrayList<>();
        try {
            for (EncoderShape shape : models) {
                for (int count : threads) {
                    comparisons.add(load(shape, count));
                }
            }
            measure(comparisons);
        } finally {
            comparisons.forEach(Comparison::close);
        }
        return 0;
    }

    private Comparison load(EncoderShape shape, int count) throws OrtException {
        if (peer.equals(ONNX_RUNTIME)) {
            return Comparison.besideOnnxRuntime(shape, count);
        }
        return work == Work.TRAINING
                ? Comparison.trainingBesideLibtorch(shape, count)
                : Comparison.besideLibtorch(shape, count);
    }

    /** Each round goes through all comparisons, so that a slow minute of the machine does not hit one of them alone. */
    private void measure(List<Comparison> comparisons) throws IOException {
        FmaPeak program = new FmaPeak(peakProgram);
        double[] peaks = new double[comparisons.size()];
        Arrays.fill(peaks, Double.NaN);
        List<Rounds.Contest> contests = new ArrayList<>();
        for (int i = 0; i < comparisons.size(); i++) {
            int own = i;
            Comparison comparison = comparisons.get(i);
            contests.add(new Rounds.Contest(comparison.ways(), () -> {
                double gflops = program.gflops(SeededEncoder.DEFAULT_ISA, comparison.threads());
                peaks[own] = Double.isNaN(peaks[own]) ? gflops : Math.max(peaks[own], gflops);
            }));
        }
        List<Rounds> times = Rounds.of(contests, rounds, window);
        System.out.println("benchmark                  model    threads  isa       difference    ours ms    peer ms"
                + "  peer / ours         of peak  peer");
        String benchmark = work == Work.TRAINING ? "SegmentTraining." : "SegmentForward.";
        String all = work == Work.TRAINING ? "allRows" : "full";
        String saving = work == Work.TRAINING ? "saving" : "recurrence";
        for (int i = 0; i < comparisons.size(); i++) {
            add(benchmark + all, comparisons.get(i), times.get(i), Comparison.OURS, peaks[i]);
            add(benchmark + saving, comparisons.get(i), times.get(i), Comparison.OURS_SAVING, peaks[i]);
        }
        if (json != null) {
            mapper.writeValue(json.toFile(), rows);
        }
    }

    private void add(String benchmark, Comparison comparison, Rounds times, int ours, double peak) {
        Rounds.Ratio ratio = times.ratio(Comparison.PEER, ours);
        double share = comparison.flop(ours) / times.milliseconds(ours) / 1e6 / peak;
        double peerShare = comparison.flop(Comparison.PEER) / times.milliseconds(Comparison.PEER) / 1e6 / peak;
        String model = comparison.shape().name().toLowerCase(Locale.ROOT);
        ObjectNode row = rows.addObject()
                .put("benchmark", benchmark)
                .put("model", model)
                .put("peer", peer)
                .put("threads", comparison.threads())
                .put("ours_ms", times.milliseconds(ours))
                .put("peer_ms", times.milliseconds(Comparison.PEER))
                .put("ratio", ratio.median())
                .put("ratio_min", ratio.smallest())
                .put("ratio_max", ratio.largest());
        putFinite(row, "share_of_peak", share);
        putFinite(row, "peer_share_of_peak", peerShare);
        putFinite(row, "peak_gflops", peak);
        row.put("difference", comparison.difference())
                .put("isa", comparison.isa())
                .put("peer_version", version());
        row.put("omp_wait_policy", System.getenv("OMP_WAIT_POLICY"));
        System.out.printf(
                Locale.ROOT,
                "%-26s %-8s %7d  %-8s %11.1e %10.3f %10.3f  %.2f (%.2f-%.2f)  %7.0f %% %4.0f %%%n",
                benchmark,
                model,
                comparison.threads(),
                comparison.isa(),
                comparison.difference(),
                times.milliseconds(ours),
                times.milliseconds(Comparison.PEER),
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
}
