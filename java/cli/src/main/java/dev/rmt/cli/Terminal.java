package dev.rmt.cli;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;

/** Whether a person watches stderr. */
final class Terminal {
    private Terminal() {}

    /**
     * True when stderr is a terminal that can redraw a line. The JVM cannot say: {@link System#console()} is about stdin and
     * stdout, which is wrong for {@code rmt eval > table.txt}. The shell can; where there is none, the answer is no.
     */
    static boolean isStderr() {
        if ("dumb".equals(System.getenv("TERM"))) {
            return false;
        }
        try {
            Process test = new ProcessBuilder("sh", "-c", "test -t 2")
                    .redirectError(Redirect.INHERIT)
                    .start();
            return test.waitFor() == 0;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
