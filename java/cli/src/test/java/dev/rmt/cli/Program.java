package dev.rmt.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
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

    /** One thread for each stream: the common pool may have fewer than the streams that block at once. */
    private static final Executor THREADS = task -> new Thread(task, "stream of a program").start();

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

    Result run(byte[] input, List<String> jvmOptions, Map<String, String> environment, String... arguments) {
        try {
            Process process = start(jvmOptions, environment, arguments);
            CompletableFuture<String> out = drain(process.getInputStream());
            CompletableFuture<String> err = drain(process.getErrorStream());
            CompletableFuture<Void> in = CompletableFuture.runAsync(() -> feed(process, input), THREADS);
            if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new AssertionError("The program did not end within " + LIMIT_SECONDS + " s: "
                        + String.join(" ", arguments) + "\n" + out.join() + err.join());
            }
            in.join();
            return new Result(process.exitValue(), out.join(), err.join());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /** Starts the program and leaves it running. */
    Process start(List<String> jvmOptions, Map<String, String> environment, String... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(jvmOptions);
        command.addAll(List.of("-jar", System.getProperty("rmt.jar")));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
        builder.environment().putAll(environment);
        return builder.start();
    }

    private static void feed(Process process, byte[] input) {
        try (var stdin = process.getOutputStream()) {
            stdin.write(input);
        } catch (IOException e) {
            // The program did not want its input: its output says why.
        }
    }

    private static CompletableFuture<String> drain(InputStream stream) {
        return CompletableFuture.supplyAsync(
                () -> {
                    try (stream) {
                        return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                },
                THREADS);
    }
}
