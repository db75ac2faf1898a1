package dev.rmt.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The log of a run for TensorBoard ({@code tensorboard --logdir FOLDER}): scalars {@code train/loss}, {@code train/accuracy},
 * {@code train/learning_rate}, {@code train/gradient_norm}, {@code train/tokens_per_second}, {@code train/stage} (from 1), one
 * {@code train/...} for each metric of the data and one {@code validation/...} for each figure of a validation, all against the
 * steps of all stages. Spaces in names become underscores.
 */
public final class TensorBoardLog extends TrainingLog {
    /** One file for the whole run; TensorBoard knows files of events by the second word. */
    private static final String FILE = "events.out.tfevents.0.rmt";

    private final Path folder;
    private TensorBoardFile file;

    /**
     * @param folder where the file of events stands; made when training starts
     * @param every steps for each point, 1 or more
     */
    public TensorBoardLog(Path folder, int every) {
        super(every);
        this.folder = folder;
    }

    @Override
    protected void open(long lastStep) throws IOException {
        Files.createDirectories(folder);
        file = TensorBoardFile.open(path(), lastStep);
    }

    @Override
    protected void write(Row row) throws IOException {
        TrainingProgress progress = row.progress();
        Map<String, Double> scalars = new LinkedHashMap<>();
        progress.metrics().forEach((name, value) -> scalars.put(tag("train", name), value));
        scalars.put("train/loss", row.loss());
        scalars.put("train/accuracy", row.accuracy());
        scalars.put("train/learning_rate", progress.learningRate());
        scalars.put("train/gradient_norm", progress.gradientNorm());
        scalars.put("train/tokens_per_second", progress.tokensPerSecond());
        scalars.put("train/stage", progress.stage() + 1.0);
        file.write(now(), progress.totalStep(), scalars);
    }

    @Override
    protected void write(TrainingProgress progress, Map<String, Double> figures, boolean best) throws IOException {
        Map<String, Double> scalars = new LinkedHashMap<>();
        figures.forEach((name, value) -> scalars.put(tag("validation", name), value));
        file.write(now(), progress.totalStep(), scalars);
    }

    @Override
    protected void closeFiles() throws IOException {
        if (file != null) {
            file.close();
        }
    }

    @Override
    protected Path path() {
        return folder.resolve(FILE);
    }

    private static String tag(String group, String name) {
        return group + "/" + name.replace(' ', '_');
    }

    private static double now() {
        return System.currentTimeMillis() / 1e3;
    }
}
