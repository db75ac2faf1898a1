package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CsvLogTest {
    private static final int STAGE_STEPS = 10;

    @TempDir
    Path folder;

    private Path training;
    private Path validation;

    @BeforeEach
    void setUp() {
        training = folder.resolve(CsvLog.TRAINING_FILE);
        validation = folder.resolve(CsvLog.VALIDATION_FILE);
    }

    /** A run of two stages with {@value #STAGE_STEPS} steps each, of which the steps from ... to are taken. */
    static void train(TrainingLog log, int from, int to, int validateEvery) {
        log.stageStarted(progress(from));
        for (int step = from + 1; step <= to; step++) {
            if (step == STAGE_STEPS + 1 && from != STAGE_STEPS) {
                log.stageStarted(progress(STAGE_STEPS));
            }
            log.stepTaken(progress(step));
            if (step % validateEvery == 0) {
                log.validated(progress(step), figures(step), step == 2 * validateEvery);
            }
            if (step % STAGE_STEPS == 0) {
                log.stageEnded(progress(step), false);
            }
        }
    }

    /** Everything follows from the step, so that two runs can be compared; no labels at step 3. */
    static TrainingProgress progress(int step) {
        boolean second = step > STAGE_STEPS;
        Map<String, Double> metrics = new LinkedHashMap<>();
        metrics.put("memorize", step / 100.0);
        if (second) {
            metrics.put("reason", step / 200.0);
        }
        return new TrainingProgress(
                second ? 1 : 0,
                2,
                second ? "two, \"long\"" : "one",
                second ? step - STAGE_STEPS : step,
                STAGE_STEPS,
                step,
                2 * STAGE_STEPS,
                1e-3 / (step + 1),
                2.0 / (step + 1),
                step == 3 ? Double.NaN : step / 20.0,
                0.5 * step,
                1000L * step,
                12345.678,
                step,
                metrics);
    }

    static Map<String, Double> figures(int step) {
        Map<String, Double> figures = new LinkedHashMap<>();
        figures.put("memorize 1", step / 50.0);
        figures.put("memorize 4", step / 60.0);
        return figures;
    }

    private CsvLog log(int every) {
        return new CsvLog(folder, every);
    }

    @Test
    void aRowHoldsWhereTheRunStandsAndWhatItIsLike() throws IOException {
        try (CsvLog log = log(1)) {
            train(log, 0, 2, 2);
        }
        assertThat(training)
                .hasContent("stage,stage_name,step,total_step,loss,accuracy,learning_rate,gradient_norm,"
                        + "tokens_per_second,seconds,memorize\n"
                        + "1,one,1,1,1.00000,0.0500000,0.000500000,0.500000,12345.7,1.00000,0.0100000\n"
                        + "1,one,2,2,0.666667,0.100000,0.000333333,1.00000,12345.7,2.00000,0.0200000\n");
        assertThat(validation)
                .hasContent("stage,stage_name,step,total_step,best,memorize 1,memorize 4\n"
                        + "1,one,2,2,0,0.0400000,0.0333333\n");
    }

    @Test
    void lossAndAccuracyAreMeansOverTheStepsOfTheRow() throws IOException {
        try (CsvLog log = log(4)) {
            train(log, 0, 4, 100);
        }
        CsvLogTable table = CsvLogTable.read(training);
        assertThat(table.rows()).hasSize(1);
        assertThat(table.number(0, table.column("loss")))
                .isEqualTo((2.0 / 2 + 2.0 / 3 + 2.0 / 4 + 2.0 / 5) / 4, within());
        // Step 3 had no labels: it does not count.
        assertThat(table.number(0, table.column("accuracy"))).isEqualTo((0.05 + 0.1 + 0.2) / 3, within());
        assertThat(table.number(0, table.column("gradient_norm"))).isEqualTo(2.0);
    }

    private static Offset<Double> within() {
        return Offset.offset(1e-5);
    }

    @Test
    void aStepWithoutLabelsHasAnEmptyAccuracy() throws IOException {
        try (CsvLog log = log(1)) {
            train(log, 0, 3, 100);
        }
        CsvLogTable table = CsvLogTable.read(training);
        assertThat(table.rows().get(2).get(table.column("accuracy"))).isEmpty();
        assertThat(table.number(2, table.column("accuracy"))).isNaN();
    }

    @Test
    void theLastStepOfAStageAlwaysEndsARow() throws IOException {
        try (CsvLog log = log(7)) {
            train(log, 0, 20, 100);
        }
        assertThat(steps(training)).containsExactly("7", "10", "14", "20");
    }

    @Test
    void aTaskThatComesLaterGetsAColumnAtTheEnd() throws IOException {
        try (CsvLog log = log(5)) {
            train(log, 0, 20, 100);
        }
        CsvLogTable table = CsvLogTable.read(training);
        assertThat(table.columns()).endsWith("memorize", "reason");
        int reason = table.column("reason");
        assertThat(table.rows().stream().map(row -> row.get(reason))).containsExactly("", "", "0.0750000", "0.100000");
    }

    @Test
    void namesWithCommasAndQuotesAreReadAsTheyWereWritten() throws IOException {
        try (CsvLog log = log(5)) {
            train(log, 0, 20, 100);
        }
        CsvLogTable table = CsvLogTable.read(training);
        assertThat(table.rows().get(3).get(1)).isEqualTo("two, \"long\"");
    }

    @Test
    void aRunThatGoesOnLeavesTheFilesOfOneThatWasNeverStopped() throws IOException {
        try (CsvLog log = log(1)) {
            train(log, 0, 20, 5);
        }
        byte[] whole = Files.readAllBytes(training);
        byte[] wholeValidation = Files.readAllBytes(validation);

        // Stopped after step 17 in the midst of a line; the steps after the checkpoint are taken again.
        for (int checkpoint : new int[] {8, 10, 13}) {
            try (CsvLog log = log(1)) {
                train(log, 0, 17, 5);
            }
            Files.writeString(training, "2,\"two, \"\"lo", StandardOpenOption.APPEND);
            try (CsvLog log = log(1)) {
                train(log, checkpoint, 20, 5);
            }
            assertThat(training).hasBinaryContent(whole);
            assertThat(validation).hasBinaryContent(wholeValidation);
        }
    }

    @Test
    void aRunFromTheBeginningStartsNewFiles() throws IOException {
        Files.writeString(training, "something else\n");
        Files.writeString(validation, "a,a,a\n1\n");
        try (CsvLog log = log(1)) {
            train(log, 0, 1, 100);
        }
        assertThat(steps(training)).containsExactly("1");
        assertThat(validation).isEmptyFile();
    }

    @Test
    void aSecondValidationOfTheSameStepTakesThePlaceOfTheFirst() throws IOException {
        try (CsvLog log = log(1)) {
            log.stageStarted(progress(0));
            log.validated(progress(5), figures(5), false);
            log.validated(progress(10), figures(10), false);
            log.validated(progress(10), Map.of("memorize 1", 0.99), true);
        }
        assertThat(validation)
                .hasContent("stage,stage_name,step,total_step,best,memorize 1,memorize 4\n"
                        + "1,one,5,5,0,0.100000,0.0833333\n"
                        + "1,one,10,10,1,0.990000,\n");
    }

    @Test
    void whatIsPendingIsWrittenAtTheEnd() throws IOException {
        try (CsvLog log = log(100)) {
            train(log, 0, 3, 100);
        }
        assertThat(steps(training)).containsExactly("3");
    }

    @Test
    void aFileThatIsNoLogIsRefusedAndNamedWhenARunGoesOn() throws IOException {
        Files.writeString(training, "name,value\na,1\n");
        try (CsvLog log = log(1)) {
            assertThatThrownBy(() -> log.stageStarted(progress(5)))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining(training.toString())
                    .hasMessageContaining("total_step");
        }
        assertThat(training).hasContent("name,value\na,1\n");
    }

    @Test
    void aRowWithTheWrongNumberOfFieldsIsRefused() throws IOException {
        Files.writeString(training, "total_step,loss\n1,2,3\n");
        assertThatThrownBy(() -> CsvLogTable.read(training))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("row 1 has 3 fields, and there are 2 columns");
    }

    @Test
    void aFolderThatIsNotThereEndsTheRunAndIsNamed() {
        try (CsvLog log = new CsvLog(folder.resolve("no/such"), 1)) {
            assertThatThrownBy(() -> log.stageStarted(progress(0)))
                    .isInstanceOf(UncheckedIOException.class)
                    .hasMessageContaining("no/such");
        }
    }

    @Test
    void rowsNeedAtLeastOneStep() {
        assertThatThrownBy(() -> log(0)).isInstanceOf(IllegalArgumentException.class);
    }

    private static List<String> steps(Path file) throws IOException {
        CsvLogTable table = CsvLogTable.read(file);
        int column = table.column(CsvLog.STEP_COLUMN);
        return table.rows().stream().map(row -> row.get(column)).toList();
    }
}
