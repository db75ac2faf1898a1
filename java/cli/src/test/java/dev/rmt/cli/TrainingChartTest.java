package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.rmt.train.CsvLog;
import dev.rmt.train.TrainingProgress;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainingChartTest {
    @TempDir
    Path folder;

    @BeforeAll
    static void noScreen() {
        System.setProperty("java.awt.headless", "true");
    }

    /** A run of two stages of 50 steps, with or without validations. */
    private void train(boolean validate) {
        try (CsvLog log = new CsvLog(folder, 1)) {
            log.stageStarted(progress(0));
            for (int step = 1; step <= 100; step++) {
                log.stepTaken(progress(step));
                if (validate && step % 20 == 0) {
                    log.validated(progress(step), Map.of("memorize 4", step / 100.0, "other", 0.5), true);
                }
            }
        }
    }

    private static TrainingProgress progress(int step) {
        int stage = step > 50 ? 1 : 0;
        return new TrainingProgress(
                stage,
                2,
                "stage " + stage,
                step - 50 * stage,
                50,
                step,
                100,
                1e-3,
                10.0 / (step + 1),
                step / 100.0,
                1,
                1,
                1,
                step,
                Map.of("detect", step / 200.0));
    }

    private BufferedImage picture() throws IOException {
        assertThat(TrainingChart.draw(folder)).isEmpty();
        return ImageIO.read(folder.resolve(TrainingChart.FILE).toFile());
    }

    private static boolean holds(BufferedImage image, int color) {
        for (int y = 0; y < image.getHeight(); y++) {
            for (int x = 0; x < image.getWidth(); x++) {
                if ((image.getRGB(x, y) & 0xffffff) == color) {
                    return true;
                }
            }
        }
        return false;
    }

    @Test
    void thePictureHasAPanelForTheValidationsIfThereAreAny() throws IOException {
        assumeTrue(Fonts.areHere(), "this machine has no fonts");
        train(false);
        BufferedImage two = picture();
        train(true);
        BufferedImage three = picture();
        assertThat(three.getHeight()).isEqualTo(two.getHeight() / 2 * 3);
        assertThat(holds(two, 0x2ca02c)).as("the line of detect").isTrue();
        assertThat(holds(two, 0x1f77b4)).as("the line of memorize").isFalse();
        assertThat(holds(three, 0x1f77b4)).as("the line of memorize").isTrue();
    }

    @Test
    void aRunOfOneStepHasAPicture() throws IOException {
        assumeTrue(Fonts.areHere(), "this machine has no fonts");
        try (CsvLog log = new CsvLog(folder, 1)) {
            log.stageStarted(progress(0));
            log.stepTaken(progress(1));
        }
        assertThat(holds(picture(), 0x2ca02c)).isTrue();
    }

    @Test
    void whatCannotBeDrawnIsSaidAndNotThrown() throws IOException {
        assertThat(TrainingChart.draw(folder)).isPresent();
        Files.writeString(folder.resolve(CsvLog.TRAINING_FILE), "stage,total_step\n");
        assertThat(TrainingChart.draw(folder)).contains("no step was logged");
        Files.writeString(folder.resolve(CsvLog.TRAINING_FILE), "a,b\n1,2,3\n");
        assertThat(TrainingChart.draw(folder).orElseThrow()).contains("3 fields");
        assertThat(folder.resolve(TrainingChart.FILE)).doesNotExist();
    }

    @Test
    void withoutFontsThereIsASentenceAndNoFailure() throws Exception {
        train(true);
        String output = Fonts.runWithout(Drawing.class, folder);
        assertThat(output).doesNotContain("\tat ").contains("no picture: ");
    }

    /** A process that draws. */
    static final class Drawing {
        private Drawing() {}

        public static void main(String[] args) {
            System.out.println(
                    "no picture: " + TrainingChart.draw(Path.of(args[0])).orElseThrow());
        }
    }
}
