package dev.rmt.cli;

import dev.rmt.train.TrainingListener;
import dev.rmt.train.TrainingProgress;
import java.io.PrintStream;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** Shows a training run: a line for each stage and validation on stdout, progress on stderr. */
final class TrainingScreen implements TrainingListener, AutoCloseable {
    /** Steps that loss, accuracy and speed are averaged over. */
    private static final int RECENT = 50;

    private static final Table TABLE = new Table(List.of(
            new Table.Column("stage", 28),
            new Table.Column("steps", 15),
            new Table.Column("loss", 7),
            new Table.Column("accuracy", 8),
            new Table.Column("tokens/s", 9),
            new Table.Column("time", 11)));

    private final PrintStream out;
    private final boolean resumed;
    private final Deque<TrainingProgress> recent = new ArrayDeque<>();
    private Progress progress; // null before the first stage
    private double stageBegan; // seconds of training
    private boolean wholeStage; // false: an earlier process began it

    /** @param resumed whether the run goes on from a checkpoint */
    TrainingScreen(PrintStream out, boolean resumed) {
        this.out = out;
        this.resumed = resumed;
    }

    @Override
    public void noticed(String notice) {
        out.println("notice     " + notice);
    }

    @Override
    public void stageStarted(TrainingProgress at) {
        if (progress == null) {
            progress = Progress.start("train", at.totalSteps(), "steps");
            progress.skip(at.totalStep());
            if (resumed) {
                progress.print(
                        out,
                        "Resumed in stage " + (at.stage() + 1) + " (" + at.stageName() + ") after step "
                                + Text.count(at.step()) + " of " + Text.count(at.stageSteps()) + ".");
            }
            progress.print(out, TABLE.header());
        }
        progress.end(at.totalSteps());
        recent.clear();
        stageBegan = at.seconds();
        wholeStage = at.step() == 0;
    }

    @Override
    public void stepTaken(TrainingProgress at) {
        recent.addLast(at);
        if (recent.size() > RECENT) {
            recent.removeFirst();
        }
        progress.note("stage " + (at.stage() + 1) + " of " + at.stages() + ", step " + Text.count(at.step()) + ", loss "
                + loss() + ", " + accuracy() + " right, " + speed() + " tokens/s");
        progress.step(1);
    }

    @Override
    public void validated(TrainingProgress at, Map<String, Double> figures, boolean best) {
        progress.print(
                out,
                "  validation after step " + Text.count(at.step()) + ": " + inGroups(figures)
                        + (best ? "; the best so far" : ""));
    }

    @Override
    public void stageEnded(TrainingProgress at, boolean early) {
        progress.print(
                out,
                TABLE.row(List.of(
                        (at.stage() + 1) + "  " + at.stageName(),
                        Text.count(at.step()) + (early ? " of " + Text.count(at.stageSteps()) : ""),
                        loss(),
                        accuracy(),
                        speed(),
                        (wholeStage ? "" : "... ") + Text.seconds(at.seconds() - stageBegan))));
    }

    /** Takes the progress away. */
    @Override
    public void close() {
        if (progress != null) {
            progress.close();
        }
    }

    private double mean(ToDoubleFunction<TrainingProgress> figure) {
        return recent.stream()
                .mapToDouble(figure)
                .filter(value -> !Double.isNaN(value))
                .average()
                .orElse(Double.NaN);
    }

    private String loss() {
        return String.format(Locale.ROOT, "%.4f", mean(TrainingProgress::loss));
    }

    private String accuracy() {
        double accuracy = mean(TrainingProgress::accuracy);
        return Double.isNaN(accuracy) ? "-" : Text.percent(accuracy);
    }

    private String speed() {
        return Text.count(Math.round(mean(TrainingProgress::tokensPerSecond)));
    }

    /** "memorize 99.0 98.0, detect 97.0 95.5 % at 1, 4 segments"; figures of another kind one by one. */
    static String inGroups(Map<String, Double> figures) {
        Map<String, StringBuilder> byTask = new LinkedHashMap<>();
        Map<String, StringBuilder> lengths = new LinkedHashMap<>();
        figures.forEach((figure, value) -> {
            int gap = figure.lastIndexOf(' ');
            String task = gap < 0 ? figure : figure.substring(0, gap);
            byTask.computeIfAbsent(task, name -> new StringBuilder(name))
                    .append(String.format(Locale.ROOT, " %.1f", 100 * value));
            StringBuilder at = lengths.computeIfAbsent(task, key -> new StringBuilder());
            at.append(at.length() == 0 ? "" : ", ").append(gap < 0 ? "" : figure.substring(gap + 1));
        });
        boolean sameLengths = lengths.values().stream()
                        .map(StringBuilder::toString)
                        .distinct()
                        .count()
                == 1;
        String first =
                lengths.isEmpty() ? "" : lengths.values().iterator().next().toString();
        if (!sameLengths || !first.matches("[0-9]+(, [0-9]+)*")) {
            StringBuilder line = new StringBuilder();
            figures.forEach((name, value) -> line.append(line.length() == 0 ? "" : ", ")
                    .append(name)
                    .append(' ')
                    .append(Text.percent(value)));
            return line.toString();
        }
        return String.join(", ", byTask.values()) + " % at " + first + (first.equals("1") ? " segment" : " segments");
    }
}
