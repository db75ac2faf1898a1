package dev.rmt.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/** The most resident memory of this process since {@link #start}, as Linux counts it (VmHWM). */
final class PeakMemory {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path CLEAR = Path.of("/proc/self/clear_refs");

    private PeakMemory() {}

    /** Starts a new measurement where the kernel lets a process do so; else the peak is that of the whole run. */
    static PeakMemory start() {
        try {
            Files.write(CLEAR, new byte[] {'5'}, StandardOpenOption.WRITE);
        } catch (IOException | SecurityException e) {
            // No Linux, or not allowed: the figure is then an upper bound.
        }
        return new PeakMemory();
    }

    /** Bytes, or -1 where there is no /proc. */
    long bytes() {
        try {
            List<String> lines = Files.readAllLines(STATUS);
            for (String line : lines) {
                if (line.startsWith("VmHWM:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
                }
            }
        } catch (IOException | SecurityException e) {
            // No Linux.
        }
        return -1;
    }
}
