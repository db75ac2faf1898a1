package dev.rmt.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the JavaCPP CUDA presets say with and without the libraries that they need. Each time in a JVM of its own. */
class PresetsTest {
    /** What only a machine with a driver has. */
    private static final Path DRIVER = Path.of("/dev/nvidiactl");

    @TempDir
    private Path folder;

    @Test
    void withoutADriverTheyCannotBeUsedAndSayWhichLibraryIsMissingEveryTime() throws Exception {
        assumeFalse(Files.exists(DRIVER), "this machine has a driver");

        List<String> lines = ask(null, classPath("."));

        assertThat(lines.get(0)).startsWith("cannot be used: ").containsPattern("libcuda(rt)?\\.so");
        assertThat(lines.get(1)).isEqualTo("none");
        assertThat(lines.subList(2, 4)).isEqualTo(lines.subList(0, 2));
    }

    @Test
    void whereTheyAreNotOnTheClassPathThatIsSaid() throws Exception {
        List<String> lines = ask(null, classPath("(?!.*bytedeco).*"));

        assertThat(lines.get(0)).isEqualTo("cannot be used: org.bytedeco:cuda is not on the class path");
    }

    @Test
    void withADriverTheyNameEachGpuAndFindCublas() throws Exception {
        assumeFalse(Files.exists(DRIVER), "this machine has a driver of its own");
        standIn("libcuda.so.1");
        standIn("libcudart.so.12");
        standIn("libcublasLt.so.12");
        Path cublas = standIn("libcublas.so.12");

        List<String> lines = ask(folder, classPath("."));

        assertThat(lines.get(0))
                .isEqualTo("driver for CUDA 13.0, runtime 12.9; "
                        + "GPU 0: Stand-in GPU, compute capability 6.1, 10.0 of 11.0 GiB free; cuBLAS 12.9 from "
                        + cublas);
        assertThat(lines.get(1)).isEqualTo(cublas.toString());
    }

    @Test
    void withADriverButWithoutCublasTheyNameEachGpu() throws Exception {
        assumeFalse(Files.exists(DRIVER), "this machine has a driver of its own");
        standIn("libcuda.so.1");
        standIn("libcudart.so.12");

        List<String> lines = ask(folder, classPath("."));

        assertThat(lines.get(0)).contains("Stand-in GPU", "; no cuBLAS: ", "libcublas");
        assertThat(lines.get(1)).isEqualTo("none");
    }

    @Test
    void withTheStubDriverOfAToolkitTheyLoadAndSayThatThereIsNoGpu() throws Exception {
        Optional<Path> stub = inToolkits("stubs/libcuda.so");
        assumeTrue(stub.isPresent(), "no CUDA toolkit here has a stub driver (stubs/libcuda.so)");
        Optional<Path> runtime = inToolkits("libcudart.so.12");
        assumeTrue(runtime.isPresent(), "no CUDA toolkit here has libcudart.so.12, which the presets need");
        Files.createSymbolicLink(folder.resolve("libcuda.so.1"), stub.get());
        Files.createSymbolicLink(folder.resolve("libcudart.so.12"), runtime.get());

        List<String> lines = ask(folder, classPath("."));

        assertThat(lines.get(0)).contains("failed with status 34"); // cudaErrorStubLibrary
    }

    private static Optional<Path> inToolkits(String file) throws IOException {
        List<Path> folders = List.of(
                Path.of("/usr/lib/x86_64-linux-gnu"),
                Path.of("/usr/local/cuda/lib64"),
                Path.of("/usr/local/cuda/targets/x86_64-linux/lib"));
        return folders.stream()
                .map(folder -> folder.resolve(file))
                .filter(Files::exists)
                .findFirst();
    }

    /** A library of this name that has the functions that are asked for. Versions are what the presets were linked to. */
    private Path standIn(String name) throws IOException, InterruptedException {
        Path library = folder.resolve(name);
        Path versions = Files.writeString(folder.resolve(name + ".map"), name + " { global: *; };");
        Process compiler = new ProcessBuilder(
                        "c++",
                        "-shared",
                        "-fPIC",
                        "-o",
                        library.toString(),
                        "-Wl,-soname," + name + ",--version-script=" + versions,
                        "src/test/cpp/stand_in.cpp")
                .redirectErrorStream(true)
                .start();
        String output = new String(compiler.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(compiler.waitFor()).as(output).isZero();
        return library;
    }

    private static String classPath(String pattern) {
        return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry -> entry.matches(pattern.equals(".") ? ".*" : pattern))
                .collect(Collectors.joining(File.pathSeparator));
    }

    private List<String> ask(Path libraries, String classPath) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dorg.bytedeco.javacpp.cachedir="
                        + Path.of("target", "javacpp").toAbsolutePath(),
                "-cp",
                classPath,
                PresetsMain.class.getName());
        builder.environment().remove("LD_LIBRARY_PATH");
        if (libraries != null) {
            builder.environment().put("LD_LIBRARY_PATH", libraries.toString());
        }
        Path output = folder.resolve("output.txt");
        Path errors = folder.resolve("errors.txt");
        Process process = builder.redirectOutput(output.toFile())
                .redirectError(errors.toFile())
                .start();
        boolean ended = process.waitFor(100, TimeUnit.SECONDS);
        process.destroyForcibly().waitFor();
        String printed = Files.readString(output);
        assertThat(ended && process.exitValue() == 0)
                .as(printed + Files.readString(errors))
                .isTrue();
        return printed.lines().toList();
    }
}
