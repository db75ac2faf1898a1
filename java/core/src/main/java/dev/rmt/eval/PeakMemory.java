package dev.rmt.eval;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** The most resident memory of this process in a stretch of time, as Linux counts it (VmHWM). */
public final class PeakMemory {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path CLEAR = Path.of("/proc/self/clear_refs");
    private static final String RESET_PEAK = "5";

    private final boolean known;

    private PeakMemory(boolean known) {
        this.known = known;
    }

    /** Begins a stretch. Two at once are not possible: the process has one counter. */
    public static PeakMemory start() {
        try {
            Files.writeString(CLEAR, RESET_PEAK, StandardCharsets.US_ASCII, StandardOpenOption.WRITE);
            return new PeakMemory(true);
        } catch (IOException | SecurityException e) {
            return new PeakMemory(false); // not Linux, or /proc is read-only: the peak would be of the whole run
        }
    }

    /** Bytes since the start; -1 where they cannot be known. */
    public long bytes() {
        if (!known) {
            return -1;
        }
        try {
            for (String line : Files.readAllLines(STATUS, StandardCharsets.ISO_8859_1)) {
                if (line.startsWith("VmHWM:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
                }
            }
            return -1;
        } catch (IOException | SecurityException e) {
            return -1;
        }
    }
}
