package dev.rmt.benchmarks.report;

import dev.rmt.benchmarks.FmaPeak;
import dev.rmt.benchmarks.ResidentMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** The steps of the report and their commands. */
final class ReportPlan {
    static final String NATIVE_CALL = "NativeCall";
    static final String TOKENIZER = "Tokenizer";
    static final String TOKENIZER_THREADS = "TokenizerThreads";
    static final String SEGMENT_FORWARD = "SegmentForward";
    static final String INSTRUCTION_SETS_TINY = "InstructionSetsTiny";
    static final String INSTRUCTION_SETS_MINILM = "InstructionSetsMiniLM";
    static final String SEGMENT_TRAINING = "SegmentTraining";
    static final String LINEAR_SCALING = "LinearScaling";
    static final String FULL_ATTENTION = "FullAttention";
    static final String MANY_DOCUMENTS = "ManyDocuments";
    static final String ONE_SESSION = "OneSession";
    static final String TWO_SESSIONS = "TwoSessions";
    static final String ONNX_RUNTIME = "OnnxRuntime";
    static final String LIBTORCH = "Libtorch";
    static final String LIBTORCH_PASSIVE = "LibtorchPassive";
    static final String LIBTORCH_TRAINING = "LibtorchTraining";
    static final String LIBTORCH_TRAINING_PASSIVE = "LibtorchTrainingPassive";
    static final String MEMORY = "Memory";
    static final String KERNELS = "Kernels";

    /** All steps that a report can have. */
    static final List<String> NAMES = List.of(
            NATIVE_CALL,
            TOKENIZER,
            TOKENIZER_THREADS,
            SEGMENT_FORWARD,
            INSTRUCTION_SETS_TINY,
            INSTRUCTION_SETS_MINILM,
            SEGMENT_TRAINING,
            LINEAR_SCALING,
            FULL_ATTENTION,
            MANY_DOCUMENTS,
            ONE_SESSION,
            TWO_SESSIONS,
            ONNX_RUNTIME,
            LIBTORCH,
            LIBTORCH_PASSIVE,
            LIBTORCH_TRAINING,
            LIBTORCH_TRAINING_PASSIVE,
            MEMORY,
            KERNELS);

    static final String CLASS_PATH_FILE = "peers.classpath";

    /** All of them take about half an hour; one of them that takes so long hangs. */
    private static final Duration LIMIT = Duration.ofMinutes(15);

    private static final String PEERS_PACKAGE = "dev.rmt.benchmarks.peers.";
    /** Its idle threads spin, which on a machine that is not all quiet costs it most of its speed; this has them sleep. */
    private static final Map<String, String> PASSIVE = Map.of("OMP_WAIT_POLICY", "PASSIVE");
    /** What JavaCPP needs to take the official libtorch instead of its own. */
    private static final String OFFICIAL_FIRST = "-Dorg.bytedeco.javacpp.pathsFirst=true";

    private final Settings settings;

    /**
     * @param raw folder of the results
     * @param isas instruction sets of this processor, best first
     * @param peers target folder of benchmarks/peers
     * @param peak program that measures the peak; {@code segment_bench} lies beside it
     */
    record Settings(Path jar, Path raw, int threads, boolean quick, List<String> isas, Path peers, Path peak) {
        /** Class path of the peers, which the Maven profile "peers" writes; empty: it was not built. */
        Optional<String> peersClassPath() {
            try {
                return Optional.of(peers.resolve("classes") + ":"
                        + Files.readString(peers.resolve(CLASS_PATH_FILE)).strip());
            } catch (IOException e) {
                return Optional.empty();
            }
        }
    }

    ReportPlan(Settings settings) {
        this.settings = settings;
    }

    List<Step> steps() {
        String all = settings.threads() > 1 ? "1," + settings.threads() : "1";
        String threads = "threads=" + settings.threads();
        String shapes = settings.quick() ? "shape=TINY" : "shape=TINY,MINI,MINILM,BASE";
        String twoShapes = settings.quick() ? "shape=TINY" : "shape=TINY,MINILM";
        String memory = ResidentMemory.class.getName();
        List<String> fast =
                settings.isas().stream().filter(isa -> !isa.equals("reference")).toList();
        List<Step> steps = new ArrayList<>();
        steps.add(jmh(NATIVE_CALL, "NativeCall"));
        steps.add(jmh(TOKENIZER, "Tokenizer", "-t", "1"));
        steps.add(jmh(TOKENIZER_THREADS, "Tokenizer", "-t", "2"));
        steps.add(jmh(SEGMENT_FORWARD, "SegmentForward", "-p", shapes, "-p", "threads=" + all));
        steps.addAll(peers(shapes, all));
        kernels(shapes).ifPresent(steps::add);
        steps.add(jmh(
                SEGMENT_TRAINING,
                "SegmentTraining",
                "-p",
                settings.quick() ? "shape=TINY" : "shape=TINY,MINI,MINILM",
                "-p",
                threads));
        steps.add(jmh(
                INSTRUCTION_SETS_TINY,
                "SegmentForward.recurrence",
                "-p",
                "shape=TINY",
                "-p",
                threads,
                "-p",
                "isa=" + String.join(",", settings.isas())));
        if (!settings.quick()) {
            steps.add(jmh(
                    INSTRUCTION_SETS_MINILM,
                    "SegmentForward.recurrence",
                    "-p",
                    "shape=MINILM",
                    "-p",
                    threads,
                    "-p",
                    "isa=" + String.join(",", fast)));
        }
        steps.add(jmh(
                LINEAR_SCALING,
                "LinearScaling",
                "-p",
                "segments=" + (settings.quick() ? "1,2,4,8,64" : "1,2,4,8,16,32,64,256,1024,4096"),
                "-p",
                threads,
                "-prof",
                memory));
        steps.add(jmh(
                FULL_ATTENTION,
                "FullAttention",
                "-p",
                "positions=" + (settings.quick() ? "512,1024,2048,4096" : "512,1024,2048,4096,8192,16384,32768"),
                "-p",
                threads,
                "-prof",
                memory));
        steps.add(jmh(
                MANY_DOCUMENTS,
                "ManyDocuments.batch",
                "-p",
                twoShapes,
                "-p",
                "threads=" + all,
                "-p",
                settings.quick() ? "batch=1,4" : "batch=1,4,16"));
        steps.add(jmh(ONE_SESSION, "ManyDocuments.sessions", "-t", "1", "-p", twoShapes));
        steps.add(jmh(TWO_SESSIONS, "ManyDocuments.sessions", "-t", "2", "-p", twoShapes));
        return steps;
    }

    private Step jmh(String name, String benchmark, String... options) {
        Path result = settings.raw().resolve(name + ".json");
        List<String> command =
                new ArrayList<>(List.of(java(), "-jar", settings.jar().toString()));
        String pattern = "dev.rmt.benchmarks." + benchmark;
        command.add(benchmark.contains(".") ? pattern : pattern + ".");
        command.addAll(Arrays.asList(options));
        if (benchmark.startsWith("Segment") && Files.exists(settings.peak())) {
            command.addAll(List.of("-prof", FmaPeak.class.getName() + ":" + settings.peak()));
        }
        if (settings.quick()) {
            command.addAll(List.of("-f", "1", "-wi", "1", "-w", "200ms", "-i", "2", "-r", "200ms"));
        }
        command.addAll(List.of("-rf", "json", "-rff", result.toString()));
        return new Step(name, Map.of(), command, result, LIMIT);
    }

    private List<Step> peers(String shapes, String threads) {
        if (settings.peersClassPath().isEmpty()) {
            return List.of();
        }
        String models = shapes.substring("shape=".length());
        String trained = settings.quick() ? "TINY" : "TINY,MINI,MINILM";
        String most = Integer.toString(settings.threads());
        return List.of(
                comparison(ONNX_RUNTIME, Map.of(), "onnxruntime", "forward", models, threads),
                comparison(LIBTORCH, Map.of(), "libtorch", "forward", models, most),
                comparison(LIBTORCH_PASSIVE, PASSIVE, "libtorch", "forward", models, most),
                comparison(LIBTORCH_TRAINING, Map.of(), "libtorch", "training", trained, most),
                comparison(LIBTORCH_TRAINING_PASSIVE, PASSIVE, "libtorch", "training", trained, most),
                peer(
                        MEMORY,
                        Map.of(),
                        "MemoryComparison",
                        "--models",
                        models,
                        "--threads",
                        most,
                        "--repeats",
                        settings.quick() ? "1" : "3"));
    }

    private Step comparison(
            String name, Map<String, String> environment, String peer, String work, String models, String threads) {
        List<String> options = new ArrayList<>(List.of(
                "--peer",
                peer,
                "--work",
                work,
                "--models",
                models,
                "--threads",
                threads,
                "--peak",
                settings.peak().toString()));
        if (settings.quick()) {
            options.addAll(List.of("--rounds", "3", "--window", "0.05"));
        } else if (peer.equals("onnxruntime")) {
            options.addAll(List.of("--rounds", "25"));
        } else if (work.equals("training")) {
            options.addAll(List.of("--rounds", "5"));
        }
        return peer(name, environment, "PeerComparison", options.toArray(String[]::new));
    }

    private Step peer(String name, Map<String, String> environment, String program, String... options) {
        Path result = settings.raw().resolve(name + ".json");
        List<String> command = new ArrayList<>(List.of(
                java(),
                OFFICIAL_FIRST,
                "-Djava.library.path=" + settings.peers().resolve("libtorch"),
                "-Dorg.bytedeco.javacpp.cachedir=" + settings.peers().resolve("javacpp"),
                "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0",
                "-cp",
                settings.peersClassPath().orElseThrow(),
                PEERS_PACKAGE + program));
        command.addAll(Arrays.asList(options));
        command.addAll(List.of("--json", result.toString()));
        return new Step(name, environment, command, result, LIMIT);
    }

    /** The native bench of the kernels, which lies beside the program that measures the peak. */
    private Optional<Step> kernels(String shapes) {
        Path program = settings.peak().resolveSibling("segment_bench");
        if (!Files.isExecutable(program)) {
            return Optional.empty();
        }
        Path result = settings.raw().resolve(KERNELS + ".json");
        String models = shapes.substring("shape=".length()).toLowerCase(Locale.ROOT);
        List<String> command = List.of(
                program.toString(),
                "--models",
                models,
                "--isas",
                settings.isas().get(0),
                "--threads",
                "1",
                "--rounds",
                settings.quick() ? "1" : "7",
                "--json",
                result.toString());
        return Optional.of(new Step(KERNELS, Map.of(), command, result, LIMIT));
    }

    private static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }
}
