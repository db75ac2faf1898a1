package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Processes that train are killed as by {@code kill -9}, wherever they are, and resumed until they are through. */
class KilledTrainingTest {
    private static final int KILLS = 5;

    @TempDir
    private Path temporary;

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aProcessThatIsKilledAgainAndAgainEndsWithTheSameBits(int threads) throws IOException, InterruptedException {
        Path never = temporary.resolve("never");
        long begin = System.nanoTime();
        Process whole = start(never, threads);
        String output = new String(whole.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(whole.waitFor()).as(output).isZero();
        long took = System.nanoTime() - begin;
        Path killed = temporary.resolve("killed");
        SplittableRandom random = new SplittableRandom(threads);

        for (int kill = 0; kill < KILLS; kill++) {
            Process process = start(killed, threads);
            // Somewhere between the start of the JVM and the end of the run.
            process.waitFor(random.nextLong(took / 5, took), TimeUnit.NANOSECONDS);
            process.destroyForcibly().waitFor();
        }
        Process last = start(killed, threads);
        output = new String(last.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(last.waitFor()).as(output).isZero();

        assertThat(killed.resolve("model/model.safetensors"))
                .hasSameBinaryContentAs(never.resolve("model/model.safetensors"));
    }

    private Process start(Path folder, int threads) throws IOException {
        Files.createDirectories(folder);
        return new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        TrainingProcess.class.getName(),
                        folder.toString(),
                        Integer.toString(threads),
                        "2"))
                .redirectErrorStream(true)
                .start();
    }
}
