package dev.rmt.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * The log of a run as two files of comma-separated values. {@value #TRAINING_FILE}: stage (from 1), stage_name, step (in the
 * stage), total_step, loss, accuracy, learning_rate, gradient_norm, tokens_per_second, seconds, and a column for each metric of
 * the data. {@value #VALIDATION_FILE}: stage, stage_name, step, total_step, best (1: the best so far), and a column for each
 * figure. Accuracies are 0 to 1.
 */
public final class CsvLog extends TrainingLog {
    public static final String TRAINING_FILE = "training.csv";
    public static final String VALIDATION_FILE = "validation.csv";
    /** The column that orders the rows of both files: steps taken in all stages. */
    public static final String STEP_COLUMN = "total_step";

    private final Path folder;
    private final CsvLogFile training;
    private final CsvLogFile validation;

    /**
     * @param folder where the two files stand; it must exist when training starts
     * @param every steps for each row, 1 or more
     */
    public CsvLog(Path folder, int every) {
        super(every);
        this.folder = folder;
        training = new CsvLogFile(folder.resolve(TRAINING_FILE), STEP_COLUMN);
        validation = new CsvLogFile(folder.resolve(VALIDATION_FILE), STEP_COLUMN);
    }

    @Override
    protected void open(long lastStep) throws IOException {
        training.open(lastStep);
        validation.open(lastStep);
    }

    @Override
    protected void write(Row row) throws IOException {
        TrainingProgress progress = row.progress();
        Map<String, String> fields = where(progress);
        fields.put("loss", number(row.loss()));
        fields.put("accuracy", number(row.accuracy()));
        fields.put("learning_rate", number(progress.learningRate()));
        fields.put("gradient_norm", number(progress.gradientNorm()));
        fields.put("tokens_per_second", number(progress.tokensPerSecond()));
        fields.put("seconds", number(progress.seconds()));
        addOthers(fields, progress.metrics());
        training.write(progress.totalStep(), fields);
    }

    @Override
    protected void write(TrainingProgress progress, Map<String, Double> figures, boolean best) throws IOException {
        Map<String, String> fields = where(progress);
        fields.put("best", best ? "1" : "0");
        addOthers(fields, figures);
        validation.write(progress.totalStep(), fields);
    }

    @Override
    protected void closeFiles() throws IOException {
        try (validation) {
            training.close();
        }
    }

    @Override
    protected Path path() {
        return folder.resolve(TRAINING_FILE);
    }

    private static Map<String, String> where(TrainingProgress progress) {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("stage", Integer.toString(progress.stage() + 1));
        fields.put("stage_name", progress.stageName());
        fields.put("step", Long.toString(progress.step()));
        fields.put(STEP_COLUMN, Long.toString(progress.totalStep()));
        return fields;
    }

    /** A figure that is named like one of the columns that are always there does not hide it. */
    private static void addOthers(Map<String, String> fields, Map<String, Double> figures) {
        figures.forEach((name, value) -> fields.put(fields.containsKey(name) ? name + " (data)" : name, number(value)));
    }

    /** Six digits; nothing where there is no number. */
    private static String number(double value) {
        return Double.isNaN(value) ? "" : String.format(Locale.ROOT, "%.6g", value);
    }
}
