package dev.rmt.benchmarks.report;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * One part of the report: a process of its own, so that what fails or hangs there does not end the rest.
 *
 * @param name of its files, "SegmentForward"
 * @param environment variables beside those of the report
 * @param result what it writes
 * @param limit after which it is ended
 */
record Step(String name, Map<String, String> environment, List<String> command, Path result, Duration limit) {
    /** Stands for the class path of the peers, which is long. */
    static final String PEERS_VARIABLE = "$PEERS";

    /** JMH goes on after a benchmark that failed, and says so in its output alone. */
    private static final List<String> FAILURES = List.of("<failure>", "<forked VM failed");

    /** @param problem what went wrong, one line; empty: nothing */
    record Outcome(Step step, Optional<String> problem, Duration taken) {}

    /** Runs the process; its output goes to a log file. */
    Outcome run(Path logFolder) throws InterruptedException {
        long begin = System.nanoTime();
        Path log = logFolder.resolve(name + ".log");
        Optional<String> problem;
        try {
            Files.deleteIfExists(result);
            ProcessBuilder builder =
                    new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
            builder.environment().putAll(environment);
            problem = run(builder, log);
        } catch (IOException e) {
            problem = Optional.of("it could not be started: " + e.getMessage());
        } catch (InterruptedException e) {
            result.toFile().delete(); // half of one
            throw e;
        }
        return new Outcome(this, problem, Duration.ofNanos(System.nanoTime() - begin));
    }

    private Optional<String> run(ProcessBuilder builder, Path log) throws IOException, InterruptedException {
        Process process = builder.start();
        try {
            process.getOutputStream().close();
            if (!process.waitFor(limit.toSeconds(), TimeUnit.SECONDS)) {
                return Optional.of("it was ended after " + limit.toMinutes() + " minutes");
            }
        } finally {
            end(process);
        }
        if (process.exitValue() != 0) {
            return Optional.of("exit code " + process.exitValue() + ": " + reason(log));
        }
        if (!Files.isRegularFile(result)) {
            return Optional.of("it wrote no result: " + reason(log));
        }
        return lines(log).stream().anyMatch(Step::isFailure) ? Optional.of(reason(log)) : Optional.empty();
    }

    /** With everything that it started. */
    private static void end(Process process) throws InterruptedException {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
        process.waitFor();
    }

    private static boolean isFailure(String line) {
        return FAILURES.stream().anyMatch(line::contains);
    }

    /** The first line of the log that looks like one, else its last line. */
    private static String reason(Path log) {
        List<String> lines = lines(log);
        return lines.stream()
                .filter(line -> line.startsWith("ERROR: ") || line.matches("[\\w.]*(Exception|Error)\\b.*"))
                .findFirst()
                .or(() -> lines.stream().filter(line -> !line.isBlank()).reduce((first, second) -> second))
                .orElse("it printed nothing");
    }

    private static List<String> lines(Path log) {
        try {
            return new String(Files.readAllBytes(log), StandardCharsets.UTF_8)
                    .lines()
                    .toList();
        } catch (IOException e) {
            return List.of();
        }
    }

    /** The command as one would type it in the root of the project. */
    String typed(Path root) {
        String variables =
                environment.entrySet().stream().map(entry -> entry + " ").collect(Collectors.joining());
        return variables
                + command.stream()
                        .map(word -> word.replace(root.toAbsolutePath() + "/", ""))
                        .map(word -> word.startsWith("/") && word.endsWith("/bin/java") ? "java" : word)
                        .map(word -> word.contains(".jar:") ? PEERS_VARIABLE : word)
                        .map(word -> word.equals(PEERS_VARIABLE) || word.matches("[\\w./:=,+@%-]+")
                                ? word
                                : "'" + word + "'")
                        .collect(Collectors.joining(" "));
    }
}
