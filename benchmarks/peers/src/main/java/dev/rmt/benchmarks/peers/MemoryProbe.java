package dev.rmt.benchmarks.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.benchmarks.SeededEncoder;
import java.io.IOException;
import java.nio.LongBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * A process whose memory is measured: loads a model from its files, reads some segments, prints the peak and the present
 * resident memory in bytes. {@link MemoryComparison} starts it.
 */
final class MemoryProbe {
    static final String IDLE = "idle";
    static final String OURS = "ours";
    static final String ONNX_RUNTIME = "onnxruntime";

    /** What the files are called in the folder. */
    static final String MODEL_FOLDER = "model";

    static final String ONNX_FILE = "model.onnx";

    private static final int SEGMENTS = 20;

    private MemoryProbe() {}

    /** Arguments: what; folder of the files, number of threads. */
    public static void main(String[] arguments) throws IOException, OrtException {
        switch (arguments[0]) {
            case IDLE -> {}
            case OURS -> read(Path.of(arguments[1]), Integer.parseInt(arguments[2]));
            case ONNX_RUNTIME -> run(Path.of(arguments[1]), Integer.parseInt(arguments[2]));
            default -> throw new IllegalArgumentException("There is no " + arguments[0] + ".");
        }
        System.out.println(status("VmHWM") + " " + status("VmRSS"));
    }

    private static void read(Path folder, int threads) {
        try (RmtModel model = RmtModel.load(folder.resolve(MODEL_FOLDER), Device.cpu(threads));
                RmtSession session = model.newSession()) {
            int[] content = SeededEncoder.content(model.config(), model.config().segmentSize());
            for (int i = 0; i < SEGMENTS; i++) {
                session.read(content);
            }
        }
    }

    private static void run(Path folder, int threads) throws OrtException {
        OrtEnvironment environment = OrtEnvironment.getEnvironment();
        try (OrtSession session =
                environment.createSession(folder.resolve(ONNX_FILE).toString(), OnnxEncoder.options(threads))) {
            // The shape of the input says T; which ids does not matter here.
            int positions = 512;
            ModelConfig any = ModelConfig.builder().vocabSize(1000).build();
            long[] ids = new long[positions];
            int[] content = SeededEncoder.content(any, positions);
            for (int i = 0; i < positions; i++) {
                ids[i] = content[i];
            }
            try (OnnxTensor input =
                    OnnxTensor.createTensor(environment, LongBuffer.wrap(ids), new long[] {1, positions})) {
                for (int i = 0; i < SEGMENTS; i++) {
                    session.run(Map.of("ids", input)).close();
                }
            }
        }
    }

    private static long status(String name) throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"), StandardCharsets.ISO_8859_1)) {
            if (line.startsWith(name + ":")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
            }
        }
        throw new IOException("/proc/self/status has no " + name);
    }
}
