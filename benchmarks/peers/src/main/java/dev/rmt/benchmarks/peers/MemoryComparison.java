package dev.rmt.benchmarks.peers;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import dev.rmt.ModelConfig;
import dev.rmt.benchmarks.EncoderShape;
import dev.rmt.benchmarks.Rounds;
import dev.rmt.benchmarks.SeededEncoder;
import dev.rmt.checkpoint.ModelWriter;
import dev.rmt.checkpoint.Weights;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Resident memory of ours and of ONNX Runtime above an idle JVM: each a process of its own with the same options of the JVM,
 * loading the same weights, embeddings too, from files, and reading the same number of segments.
 */
@Command(name = "MemoryComparison", mixinStandardHelpOptions = true)
public final class MemoryComparison implements Callable<Integer> {
    /** A small heap: garbage that nobody had to collect yet is not what a model needs. */
    private static final List<String> JVM_OPTIONS = List.of("-Xms16m", "-Xmx16m", "-XX:+UseSerialGC");

    @Option(
            names = "--models",
            split = ",",
            defaultValue = "TINY,MINI,MINILM",
            description = "${COMPLETION-CANDIDATES}")
    private List<EncoderShape> models;

    @Option(names = "--threads", defaultValue = "2")
    private int threads;

    @Option(names = "--repeats", defaultValue = "3", description = "processes of each kind; medians count")
    private int repeats;

    @Option(names = "--json", description = "where rows are written too")
    private Path json;

    private final ObjectMapper mapper = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
    private final ArrayNode rows = mapper.createArrayNode();

    /** Bytes: the most, and at the end. */
    private record Resident(double peak, double after) {}

    private MemoryComparison() {}

    public static void main(String[] arguments) {
        CommandLine line = new CommandLine(new MemoryComparison()).setCaseInsensitiveEnumValuesAllowed(true);
        System.exit(line.execute(arguments));
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        System.out.println("model    threads  idle MiB  ours above it  ONNX Runtime above it  ours / ONNX Runtime");
        for (EncoderShape shape : models) {
            Path folder = Files.createTempDirectory("rmt-memory");
            try {
                compare(shape, folder);
            } finally {
                delete(folder);
            }
            if (json != null) {
                mapper.writeValue(json.toFile(), rows);
            }
        }
        return 0;
    }

    private void compare(EncoderShape shape, Path folder) throws IOException, InterruptedException {
        ModelConfig config = shape.config();
        Weights weights = SeededEncoder.weights(config);
        ModelWriter.write(
                folder.resolve(MemoryProbe.MODEL_FOLDER),
                config,
                new WordPieceTokenizer(EncoderShape.vocabulary(), WordPieceOptions.defaults()),
                weights);
        OnnxEncoder.write(folder.resolve(MemoryProbe.ONNX_FILE), config, weights);
        Resident idle = median(MemoryProbe.IDLE, folder);
        Resident ours = median(MemoryProbe.OURS, folder);
        Resident theirs = median(MemoryProbe.ONNX_RUNTIME, folder);
        double oursAbove = ours.peak() - idle.peak();
        double theirsAbove = theirs.peak() - idle.peak();
        String model = shape.name().toLowerCase(Locale.ROOT);
        rows.addObject()
                .put("benchmark", "Memory")
                .put("model", model)
                .put("peer", "onnxruntime")
                .put("threads", threads)
                .put("ours_bytes", Math.round(oursAbove))
                .put("peer_bytes", Math.round(theirsAbove))
                .put("ratio", theirsAbove / oursAbove)
                .put("idle_bytes", Math.round(idle.peak()))
                .put("ours_after_bytes", Math.round(ours.after() - idle.after()))
                .put("peer_after_bytes", Math.round(theirs.after() - idle.after()));
        double mib = 1 << 20;
        System.out.printf(
                Locale.ROOT,
                "%-8s %7d %9.1f %14.1f %22.1f %20.2f%n",
                model,
                threads,
                idle.peak() / mib,
                oursAbove / mib,
                theirsAbove / mib,
                oursAbove / theirsAbove);
    }

    private Resident median(String what, Path folder) throws IOException, InterruptedException {
        double[] peak = new double[repeats];
        double[] after = new double[repeats];
        for (int i = 0; i < repeats; i++) {
            String[] numbers = probe(what, folder).trim().split(" ");
            peak[i] = Double.parseDouble(numbers[0]);
            after[i] = Double.parseDouble(numbers[1]);
        }
        return new Resident(Rounds.median(peak), Rounds.median(after));
    }

    private String probe(String what, Path folder) throws IOException, InterruptedException {
        List<String> command = Stream.of(
                        Stream.of(Path.of(System.getProperty("java.home"), "bin", "java")
                                .toString()),
                        JVM_OPTIONS.stream(),
                        Stream.of(
                                "-cp",
                                System.getProperty("java.class.path"),
                                MemoryProbe.class.getName(),
                                what,
                                folder.toString(),
                                Integer.toString(threads)))
                .flatMap(part -> part)
                .toList();
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        if (process.waitFor() != 0) {
            throw new IOException("The process \"" + what + "\" ended with " + process.exitValue() + ".");
        }
        return printed;
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
