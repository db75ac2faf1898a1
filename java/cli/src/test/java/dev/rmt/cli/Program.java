package dev.rmt.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The packaged jar, run as a user runs it: a process of its own in a folder of its own. */
final class Program {
    private static final long LIMIT_SECONDS = 300;

    private final Path folder;

    /**
     * What a run left.
     *
     * @param status exit status
     * @param out stdout
     * @param err stderr
     */
    record Result(int status, String out, String err) {
        @Override
        public String toString() {
            return "exit " + status + "\n--- stdout\n" + out + "--- stderr\n" + err;
        }
    }

    Program(Path folder) {
        this.folder = folder;
    }

    Result run(String... arguments) {
        return run(new byte[0], List.of(), Map.of(), arguments);
    }

    Result runWithInput(byte[] input, String... arguments) {
        return run(input, List.of(), Map.of(), arguments);
    }

    Result runWithJvm(List<String> jvmOptions, String... arguments) {
        return run(new byte[0], jvmOptions, Map.of(), arguments);
    }

    /** Output goes to files, so that neither side ever waits for a thread that empties a pipe. */
    Result run(byte[] input, List<String> jvmOptions, Map<String, String> environment, String... arguments) {
        try {
            Path out = Files.createTempFile("rmt-program", ".out");
            Path err = Files.createTempFile("rmt-program", ".err");
            try {
                Process process = builder(jvmOptions, environment, arguments)
                        .redirectOutput(out.toFile())
                        .redirectError(err.toFile())
                        .start();
                feed(process, input);
                boolean ended = process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS);
                if (!ended) {
                    process.destroyForcibly().waitFor();
                }
                Result result = new Result(process.exitValue(), Files.readString(out), Files.readString(err));
                if (!ended) {
                    throw new AssertionError("The program did not end within " + LIMIT_SECONDS + " s: "
                            + String.join(" ", arguments) + "\n" + result);
                }
                return result;
            } finally {
                Files.delete(out);
                Files.delete(err);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /** Starts the program and leaves it running. */
    Process start(List<String> jvmOptions, Map<String, String> environment, String... arguments) throws IOException {
        return builder(jvmOptions, environment, arguments).start();
    }

    private ProcessBuilder builder(List<String> jvmOptions, Map<String, String> environment, String... arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(jvmOptions);
        command.addAll(List.of("-jar", System.getProperty("rmt.jar")));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
        builder.environment().putAll(environment);
        return builder;
    }

    private static void feed(Process process, byte[] input) {
        try (var stdin = process.getOutputStream()) {
            stdin.write(input);
        } catch (IOException e) {
            // The program did not want its input: its output says why.
        }
    }
}
