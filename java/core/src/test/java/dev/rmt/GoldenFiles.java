package dev.rmt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.rmt.checkpoint.DType;
import dev.rmt.checkpoint.Safetensors;
import dev.rmt.checkpoint.TensorInfo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Files made by public PyTorch implementations, in the folder that RMT_GOLDEN_DIR names (default: {@code
 * ../shared/data/golden} beside the project), else the small set of the project.
 */
public final class GoldenFiles {
    private static final double FLOOR = 1e-6;
    /** For a tensor of which PyTorch's own error is not known. */
    private static final double WITHOUT_YARDSTICK = 2e-6;

    private static final ObjectMapper JSON = new ObjectMapper();

    private GoldenFiles() {}

    /** A file or folder; skips the test if it is not there. */
    public static Path find(String relative) {
        String named = System.getenv("RMT_GOLDEN_DIR");
        Path root = projectRoot();
        if (named != null) {
            Path folder = root.resolve(named);
            assertThat(folder).as("the folder that RMT_GOLDEN_DIR names").isDirectory();
            return require(folder.resolve(relative), relative);
        }
        Path shared = root.resolve("../shared/data/golden").resolve(relative).normalize();
        return Files.exists(shared)
                ? shared
                : require(root.resolve("native/tests/golden").resolve(relative), relative);
    }

    private static Path require(Path path, String relative) {
        assumeTrue(Files.exists(path), () -> "There is no golden " + relative + "; name its folder by RMT_GOLDEN_DIR.");
        return path;
    }

    public static Path projectRoot() {
        Path folder = Path.of("").toAbsolutePath();
        while (!Files.exists(folder.resolve("native/include/rmt/rmt.h"))) {
            folder = folder.getParent();
            assertThat(folder)
                    .as("a folder that holds native/include/rmt/rmt.h")
                    .isNotNull();
        }
        return folder;
    }

    public static JsonNode metadata(Safetensors file, String key) {
        try {
            String text = file.metadata().get(key);
            return text == null ? JSON.missingNode() : JSON.readTree(text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static double[] doubles(Safetensors file, String name) {
        TensorInfo tensor = file.get(name);
        if (tensor.dtype() == DType.F64) {
            return file.readDoubles(tensor);
        }
        float[] floats = file.readFloats(tensor);
        double[] doubles = new double[floats.length];
        for (int i = 0; i < floats.length; i++) {
            doubles[i] = floats[i];
        }
        return doubles;
    }

    public static int[] ints(Safetensors file, String name) {
        return file.readInts(file.get(name));
    }

    /** What a tensor may differ by: twice PyTorch's own float32 error, at least 1e-6. */
    public static double tolerance(JsonNode float32Error) {
        return float32Error.isNumber() ? Math.max(FLOOR, 2 * float32Error.asDouble()) : WITHOUT_YARDSTICK;
    }

    /**
     * How much more than a tolerance a device may be off. The yardstick is PyTorch on a CPU, whose products are sums of many
     * partial sums; on a GPU an element of a product is one sum.
     */
    public static double rounding(Device device) {
        return device.index() < 0 ? 1 : 2.5;
    }

    /** Largest difference relative to the largest magnitude of what is expected. */
    public static double relativeError(float[] actual, double[] expected) {
        assertThat(actual).hasSize(expected.length);
        double difference = 0;
        double largest = 0;
        for (int i = 0; i < expected.length; i++) {
            // NaN would lose every comparison.
            assertThat(actual[i]).isFinite();
            difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
            largest = Math.max(largest, Math.abs(expected[i]));
        }
        return difference / largest;
    }
}
