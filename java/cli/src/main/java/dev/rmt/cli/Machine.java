package dev.rmt.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What the operating system says of itself. Nothing here fails: what cannot be read is said to be unknown. */
final class Machine {
    private static final Path CGROUP = Path.of("/sys/fs/cgroup");
    private static final Pattern GLIBC_SYMBOL = Pattern.compile("GLIBC_(\\d+)\\.(\\d+)(?:\\.\\d+)?");

    private final Map<String, Long> memoryInfo;

    private Machine(Map<String, Long> memoryInfo) {
        this.memoryInfo = memoryInfo;
    }

    static Machine look() {
        Map<String, Long> values = new HashMap<>();
        try (Stream<String> lines = Files.lines(Path.of("/proc/meminfo"))) {
            lines.map(line -> line.split("\\s+"))
                    .filter(words -> words.length > 2)
                    .forEach(words -> values.put(words[0], Long.parseLong(words[1]) * 1024));
        } catch (IOException | RuntimeException e) {
            // No Linux.
        }
        return new Machine(values);
    }

    String system() {
        return System.getProperty("os.name") + " " + System.getProperty("os.version") + ", "
                + System.getProperty("os.arch");
    }

    /** The name of the processor. */
    static String processor() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith("model name"))
                    .map(line -> line.substring(line.indexOf(':') + 1).trim())
                    .findFirst()
                    .orElse("unknown");
        } catch (IOException | RuntimeException e) {
            return "unknown";
        }
    }

    String memory() {
        Long total = memoryInfo.get("MemTotal:");
        Long available = memoryInfo.get("MemAvailable:");
        String plain = total == null || available == null
                ? "unknown"
                : Text.bytes(total) + ", " + Text.bytes(available) + " available";
        String limit = firstLine(CGROUP.resolve("memory.max"))
                .or(() -> firstLine(CGROUP.resolve("memory/memory.limit_in_bytes")))
                .filter(value -> value.matches("[0-9]{1,15}")) // "max", or the huge number of cgroup 1: none
                .map(value -> "cgroup limit: " + Text.bytes(Long.parseLong(value)))
                .orElse("no cgroup limit");
        return plain + ", " + limit;
    }

    /** Processors that the cgroup allows; empty: no limit. */
    Optional<String> cpuLimit() {
        return firstLine(CGROUP.resolve("cpu.max"))
                .map(line -> line.split("\\s+"))
                .filter(words ->
                        words.length == 2 && words[0].matches("[0-9]{1,15}") && words[1].matches("[1-9][0-9]{0,14}"))
                .map(words -> Text.number(Double.parseDouble(words[0]) / Double.parseDouble(words[1])));
    }

    String cLibrary() {
        try {
            Process process = new ProcessBuilder("getconf", "GNU_LIBC_VERSION")
                    .redirectErrorStream(true)
                    .start();
            process.getOutputStream().close();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).trim();
            if (process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0 && !output.isEmpty()) {
                return output;
            }
        } catch (IOException e) {
            // No such program.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return "unknown";
    }

    /** The newest glibc that a library names in its symbols, "2.34"; empty if it names none. */
    static Optional<String> neededGlibc(Path library) {
        try {
            Matcher matcher = GLIBC_SYMBOL.matcher(Files.readString(library, StandardCharsets.ISO_8859_1));
            return matcher.results()
                    .map(result -> new int[] {Integer.parseInt(result.group(1)), Integer.parseInt(result.group(2))})
                    .max(Comparator.<int[]>comparingInt(v -> v[0]).thenComparingInt(v -> v[1]))
                    .map(version -> version[0] + "." + version[1]);
        } catch (IOException | RuntimeException e) {
            return Optional.empty();
        }
    }

    private static Optional<String> firstLine(Path file) {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.findFirst().map(String::trim);
        } catch (IOException | RuntimeException e) {
            return Optional.empty();
        }
    }
}
