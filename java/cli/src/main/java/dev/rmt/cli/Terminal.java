package dev.rmt.cli;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** Whether a person watches stderr. */
final class Terminal {
    private static final int DEFAULT_COLUMNS = 80;

    private Terminal() {}

    /**
     * True when stderr is a terminal that can redraw a line. The JVM cannot say: {@link System#console()} is about stdin and
     * stdout, which is wrong for {@code rmt eval > table.txt}. The shell can; where there is none, the answer is no.
     */
    static boolean isStderr() {
        return !"dumb".equals(System.getenv("TERM")) && ask("test -t 2").isPresent();
    }

    /** Characters in a line of the terminal that stderr is; what every terminal has where nobody says. */
    static int columns() {
        return ask("stty size <&2")
                .map(String::trim)
                .filter(size -> size.matches("[0-9]{1,4} [1-9][0-9]{0,3}"))
                .map(size -> Integer.parseInt(size.substring(size.indexOf(' ') + 1)))
                .orElse(DEFAULT_COLUMNS);
    }

    /** What a shell with our stderr prints; empty: there is no shell, or it says no. */
    private static Optional<String> ask(String command) {
        try {
            Process shell = new ProcessBuilder("sh", "-c", command)
                    .redirectError(Redirect.INHERIT)
                    .start();
            String output = new String(shell.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            return shell.waitFor() == 0 ? Optional.of(output) : Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        }
    }
}
