package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** Machines with and without fonts, for tests of what is drawn. */
final class Fonts {
    private Fonts() {}

    /** Whether this JVM finds a font. */
    static boolean areHere() {
        try {
            new BufferedImage(10, 10, BufferedImage.TYPE_INT_RGB)
                    .createGraphics()
                    .getFontMetrics();
            return true;
        } catch (RuntimeException | Error e) {
            return false;
        }
    }

    /**
     * Runs a main class with the class path of the test where there are no fonts: hides them where the system lets a process do
     * so, and skips the test elsewhere.
     *
     * @return what it printed
     */
    static String runWithout(Class<?> main, Path argument) throws Exception {
        Process process = new ProcessBuilder(
                        "unshare",
                        "--mount",
                        "--map-root-user",
                        "sh",
                        "-c",
                        "mount -t tmpfs none /usr/share/fonts || exit 77; exec \"$@\"",
                        "sh",
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        "-Djava.awt.headless=true",
                        main.getName(),
                        argument.toString())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes());
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assumeTrue(process.exitValue() == 0 || output.contains("Exception"), "fonts cannot be hidden here: " + output);
        return output;
    }
}
