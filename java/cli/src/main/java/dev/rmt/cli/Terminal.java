package dev.rmt.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Whether a person watches stderr. */
final class Terminal {
    private Terminal() {}

    /**
     * True when stderr is a terminal. The JVM can only tell whether stdin and stdout both are ({@link System#console()}),
     * which is wrong for {@code rmt eval > table.txt}; where /proc exists, the open file itself is asked.
     */
    static boolean isStderr() {
        if ("dumb".equals(System.getenv("TERM"))) {
            return false;
        }
        Path descriptor = Path.of("/proc/self/fd/2");
        try {
            String target = Files.readSymbolicLink(descriptor).toString();
            return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty") || target.equals("/dev/console");
        } catch (IOException | UnsupportedOperationException | SecurityException e) {
            return System.console() != null;
        }
    }
}
