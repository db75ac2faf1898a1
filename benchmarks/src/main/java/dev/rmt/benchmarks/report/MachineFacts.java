package dev.rmt.benchmarks.report;

import dev.rmt.Device;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** What the figures were measured on. What cannot be read is said to be unknown. */
final class MachineFacts {
    private MachineFacts() {}

    /** Names and values, in the order in which they are shown. */
    static Map<String, String> look() {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("processor", processor() + ", " + Runtime.getRuntime().availableProcessors() + " processors");
        facts.put("memory", afterColon("/proc/meminfo", "MemTotal"));
        facts.put(
                "system",
                System.getProperty("os.name") + " " + System.getProperty("os.version") + ", "
                        + afterEquals("/etc/os-release", "PRETTY_NAME") + ", "
                        + printed("getconf", "GNU_LIBC_VERSION").orElse("unknown C library"));
        facts.put("Java", System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version"));
        Device.Library library = Device.library();
        facts.put("librmt", library.version() + ", instruction sets " + String.join(", ", library.cpuIsas()));
        facts.put("compiler here", printed("c++", "--version").orElse("unknown"));
        facts.put("commit", commit());
        facts.put(
                "load at the start",
                load().map(it -> it + " (1, 5, 15 minutes)").orElse("unknown"));
        return facts;
    }

    /** Load averages of Linux. */
    static Optional<String> load() {
        return find("/proc/loadavg", line -> true)
                .map(line -> line.replaceAll("^(\\S+) (\\S+) (\\S+).*", "$1, $2, $3"));
    }

    private static String processor() {
        return find("/proc/cpuinfo", line -> line.startsWith("model name"))
                .map(line -> line.substring(line.indexOf(':') + 1).trim())
                .orElse("unknown");
    }

    private static String commit() {
        String changes =
                printed("git", "status", "--porcelain", "--untracked-files=no").isPresent() ? ", with changes" : "";
        return printed("git", "rev-parse", "--short=12", "HEAD")
                .map(hash -> hash + changes)
                .orElse("unknown");
    }

    private static String afterColon(String file, String name) {
        return find(file, line -> line.startsWith(name + ":"))
                .map(line -> line.substring(line.indexOf(':') + 1).trim())
                .orElse("unknown");
    }

    private static String afterEquals(String file, String name) {
        return find(file, line -> line.startsWith(name + "="))
                .map(line -> line.substring(name.length() + 1).replace("\"", ""))
                .orElse("unknown");
    }

    private static Optional<String> find(String file, Predicate<String> wanted) {
        try (Stream<String> lines = Files.lines(Path.of(file))) {
            return lines.filter(wanted).findFirst();
        } catch (IOException | RuntimeException e) {
            return Optional.empty();
        }
    }

    /** First line that a program prints; empty where there is none. */
    private static Optional<String> printed(String... command) {
        try {
            Process process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            process.getOutputStream().close();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            boolean ended = process.waitFor(10, TimeUnit.SECONDS);
            return ended && process.exitValue() == 0 ? output.lines().findFirst() : Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        }
    }
}
