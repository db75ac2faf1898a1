package dev.rmt.benchmarks.report;

import dev.rmt.Device;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** What the figures were measured on. What cannot be read is said to be unknown. */
final class MachineFacts {
    private static final double BUSY = 0.1;
    private static final int IDLE = 0;
    private static final int TOTAL = 1;

    private MachineFacts() {}

    /** Names and values, in the order in which they are shown. */
    static Map<String, String> look() {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("processor", processor() + ", " + Runtime.getRuntime().availableProcessors() + " processors");
        facts.put("memory", memory());
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
        facts.put("other work at the start", otherWork());
        return facts;
    }

    /** Of all processors in two seconds in which this process does nothing: a busy machine makes the figures worthless. */
    private static String otherWork() {
        try {
            long[] before = processorTime();
            Thread.sleep(2000);
            long[] after = processorTime();
            double busy = 1 - (after[IDLE] - before[IDLE]) / (double) Math.max(1, after[TOTAL] - before[TOTAL]);
            return Math.round(100 * busy) + " % of all processors"
                    + (busy > BUSY ? ": **the machine was busy, do not trust the figures**" : "");
        } catch (IOException | RuntimeException e) {
            return "unknown";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "unknown";
        }
    }

    /** Ticks of all processors since the start of the system: idle or waiting for a disk; all but those of other systems. */
    private static long[] processorTime() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/stat"))) {
            long[] ticks = lines.findFirst()
                    .map(line -> Arrays.stream(line.trim().split("\\s+"))
                            .skip(1)
                            .mapToLong(Long::parseLong)
                            .limit(7)
                            .toArray())
                    .orElseThrow();
            return new long[] {ticks[3] + ticks[4], Arrays.stream(ticks).sum()};
        }
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

    private static String memory() {
        return find("/proc/meminfo", line -> line.startsWith("MemTotal:"))
                .map(line -> Math.round(Long.parseLong(line.replaceAll("[^0-9]", "")) / 1048576.0) + " GiB")
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
