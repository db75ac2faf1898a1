package dev.rmt.cuda;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.bytedeco.cuda.global.cublas;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.SizeTPointer;

/** The only class that knows the JavaCPP CUDA presets. Every use may fail with a {@link LinkageError}. */
final class Presets {
    private static final double GIB = 1 << 30;

    private Presets() {}

    /**
     * A cuBLAS.
     *
     * @param file empty: it is loaded, but from where is not known
     */
    record Cublas(String text, Optional<Path> file) {}

    /** Versions, and each GPU with its memory: "driver for CUDA 13.0, runtime 12.9; GPU 0: NVIDIA ..., ...". */
    static String devices() {
        int[] driver = new int[1];
        int[] runtime = new int[1];
        check("cudaRuntimeGetVersion", cudart.cudaRuntimeGetVersion(runtime));
        check("cudaDriverGetVersion", cudart.cudaDriverGetVersion(driver));
        int[] count = new int[1];
        check("cudaGetDeviceCount", cudart.cudaGetDeviceCount(count));
        List<String> parts = new ArrayList<>();
        parts.add("driver for CUDA " + version(driver[0]) + ", runtime " + version(runtime[0]));
        for (int index = 0; index < count[0]; index++) {
            parts.add("GPU " + index + ": " + device(index));
        }
        return String.join("; ", parts);
    }

    private static String device(int index) {
        check("cudaSetDevice", cudart.cudaSetDevice(index));
        byte[] name = new byte[128];
        check("cuDeviceGetName", cudart.cuDeviceGetName(ByteBuffer.wrap(name), name.length, index));
        try (SizeTPointer free = new SizeTPointer(1);
                SizeTPointer total = new SizeTPointer(1)) {
            check("cudaMemGetInfo", cudart.cudaMemGetInfo(free, total));
            return String.format(
                    "%s, compute capability %d.%d, %.1f of %.1f GiB free",
                    text(name),
                    attribute(cudart.cudaDevAttrComputeCapabilityMajor, index),
                    attribute(cudart.cudaDevAttrComputeCapabilityMinor, index),
                    free.get() / GIB,
                    total.get() / GIB);
        }
    }

    private static int attribute(int which, int index) {
        int[] value = new int[1];
        check("cudaDeviceGetAttribute", cudart.cudaDeviceGetAttribute(value, which, index));
        return value[0];
    }

    /** Loads cuBLAS: the one of a jar, of the library path or of a toolkit. */
    static Cublas cublas() {
        Loader.load(cublas.class);
        int[] major = new int[1];
        int[] minor = new int[1];
        check("cublasGetProperty", cublas.cublasGetProperty(cudart.MAJOR_VERSION, major));
        check("cublasGetProperty", cublas.cublasGetProperty(cudart.MINOR_VERSION, minor));
        Optional<Path> file = mapped("libcublas.so");
        return new Cublas(
                "cuBLAS " + major[0] + "." + minor[0]
                        + file.map(path -> " from " + path).orElse(""),
                file);
    }

    /** A library of this process. Where the system's loader found it, JavaCPP does not know the path. */
    private static Optional<Path> mapped(String name) {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"), StandardCharsets.ISO_8859_1)) {
            return lines.filter(line -> line.contains("/" + name))
                    .map(line -> Path.of(line.substring(line.indexOf('/'))))
                    .findFirst();
        } catch (IOException e) {
            return Optional.empty(); // not Linux
        }
    }

    private static void check(String call, int status) {
        if (status != 0) {
            throw new IllegalStateException(call + " failed with status " + status);
        }
    }

    private static String version(int number) {
        return number / 1000 + "." + number % 1000 / 10;
    }

    private static String text(byte[] bytes) {
        int end = 0;
        while (end < bytes.length && bytes[end] != 0) {
            end++;
        }
        return new String(bytes, 0, end, StandardCharsets.UTF_8);
    }
}
