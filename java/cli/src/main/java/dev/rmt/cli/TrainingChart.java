package dev.rmt.cli;

import dev.rmt.task.TaskKind;
import dev.rmt.train.CsvLog;
import dev.rmt.train.CsvLogTable;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.knowm.xchart.AnnotationLine;
import org.knowm.xchart.AnnotationText;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * The learning curve of a run as a picture, from the logs that it left: accuracy in training, accuracy of the validations, and
 * loss, one below the other against the steps of all stages, with a line where a stage begins.
 */
final class TrainingChart {
    static final String FILE = "training.png";

    private static final int PANEL_WIDTH = 1050;
    private static final int PANEL_HEIGHT = 340;
    private static final int LEGEND_WIDTH = 150;
    private static final int LEGEND_LINE = 18;
    /** More points than pixels say nothing: neighbours are averaged. */
    private static final int MOST_POINTS = 500;
    /** A loss that falls by more than this is drawn on a logarithmic axis. */
    private static final double LOGARITHMIC_FROM = 20;

    private static final int CHARACTER_WIDTH = 7;
    private static final int TICK_SPACING = 130;
    private static final int PLOT_WIDTH = 970;
    private static final double ACCURACY_TOP = 108; // room for the names of stages above 100 %
    private static final Color ALL_TASKS = new Color(0x707070);
    private static final List<Color> TASK_COLORS =
            List.of(new Color(0x1f77b4), new Color(0x2ca02c), new Color(0xd95f02));

    private final CsvLogTable training;
    private final CsvLogTable validation;
    private final List<Stage> stages;
    private final double lastStep;

    /** @param start steps of all stages before it */
    private record Stage(String name, double start) {}

    private TrainingChart(CsvLogTable training, CsvLogTable validation) {
        this.training = training;
        this.validation = validation;
        stages = stages(training);
        lastStep = training.number(training.rows().size() - 1, training.column(CsvLog.STEP_COLUMN));
    }

    /**
     * Draws what the logs in a folder hold into {@value #FILE} beside them. A machine that cannot draw, for want of fonts say, is
     * no reason to lose a result.
     *
     * @return why there is no picture; empty: there is one
     */
    static Optional<String> draw(Path folder) {
        try {
            Path validation = folder.resolve(CsvLog.VALIDATION_FILE);
            Path training = folder.resolve(CsvLog.TRAINING_FILE);
            if (!Files.exists(training)) {
                return Optional.of("there is no " + training);
            }
            CsvLogTable rows = CsvLogTable.read(training);
            if (rows.rows().isEmpty()) {
                return Optional.of("no step was logged");
            }
            CsvLogTable validations =
                    Files.exists(validation) ? CsvLogTable.read(validation) : new CsvLogTable(List.of(), List.of());
            TrainingChart chart = new TrainingChart(rows, validations);
            return Picture.save(
                    folder.resolve(FILE), PANEL_WIDTH + LEGEND_WIDTH, PANEL_HEIGHT * chart.panelCount(), chart::paint);
        } catch (IOException | RuntimeException e) {
            return Optional.of(e.getMessage() == null ? e.toString() : e.getMessage());
        }
    }

    private int panelCount() {
        return validation.rows().isEmpty() ? 2 : 3;
    }

    private void paint(Graphics2D graphics) {
        List<XYChart> panels = new ArrayList<>();
        panels.add(trainingPanel());
        if (!validation.rows().isEmpty()) {
            panels.add(validationPanel());
        }
        panels.add(lossPanel());
        for (XYChart panel : panels) {
            panel.paint(graphics, PANEL_WIDTH, PANEL_HEIGHT);
            drawLegend(graphics, panel);
            graphics.translate(0, PANEL_HEIGHT);
        }
    }

    /** By hand: legends of the library have widths of their own, and the axes of the panels would not stand in line. */
    private static void drawLegend(Graphics2D graphics, XYChart panel) {
        graphics.setFont(panel.getStyler().getLegendFont());
        int y = (PANEL_HEIGHT - LEGEND_LINE * panel.getSeriesMap().size()) / 2;
        for (XYSeries series : panel.getSeriesMap().values()) {
            y += LEGEND_LINE;
            graphics.setColor(series.getLineColor());
            graphics.setStroke(new BasicStroke(2));
            graphics.drawLine(PANEL_WIDTH, y - 5, PANEL_WIDTH + 20, y - 5);
            graphics.setColor(panel.getStyler().getChartFontColor());
            graphics.drawString(series.getName(), PANEL_WIDTH + 26, y);
        }
    }

    private XYChart trainingPanel() {
        XYChart panel = panel("Training: right answers", "accuracy, %");
        addLine(panel, training, "accuracy", "all tasks", 100, ALL_TASKS);
        for (TaskKind kind : TaskKind.values()) {
            addLine(panel, training, kind.toString(), kind.toString(), 100, TASK_COLORS.get(kind.ordinal()));
        }
        percentAxis(panel);
        nameStages(panel);
        return panel;
    }

    /** A line for each figure: the colour says the task, paler ones are of longer samples. */
    private XYChart validationPanel() {
        XYChart panel = panel("Validation: right answers", "accuracy, %");
        List<String> figures = validation.columns().stream()
                .skip(validation.column("best") + 1)
                .sorted(Comparator.comparingInt(TrainingChart::taskOf).thenComparingInt(TrainingChart::lengthOf))
                .toList();
        double lowest = 100;
        int[] seen = new int[TASK_COLORS.size()];
        for (String figure : figures) {
            int task = taskOf(figure);
            int alpha = task < 0 ? 255 : Math.max(60, 255 - 45 * seen[task]++);
            Color color = task < 0 ? ALL_TASKS : TASK_COLORS.get(task);
            XYSeries series = addLine(
                    panel,
                    validation,
                    figure,
                    figure,
                    100,
                    new Color(color.getRed(), color.getGreen(), color.getBlue(), alpha));
            if (series != null) {
                series.setMarker(SeriesMarkers.CIRCLE);
                series.setMarkerColor(series.getLineColor());
                lowest = Math.min(lowest, series.getYMin());
            }
        }
        percentAxis(panel);
        // Good figures lie close together: nothing is shown of what they are far above.
        double from = 10 * Math.floor(Math.max(0, lowest - 1) / 10);
        panel.getStyler().setYAxisMin(from).setYAxisMax(100 + (100 - from) / 25);
        return panel;
    }

    private XYChart lossPanel() {
        XYChart panel = panel("Training: loss", "loss");
        XYSeries line = addLine(panel, training, "loss", "loss", 1, new Color(0xb22222));
        if (line != null && line.getYMin() > 0 && line.getYMax() / line.getYMin() > LOGARITHMIC_FROM) {
            panel.getStyler().setYAxisLogarithmic(true);
        }
        panel.setXAxisTitle("steps of all stages");
        return panel;
    }

    private XYChart panel(String title, String axis) {
        XYChart panel = new XYChartBuilder()
                .width(PANEL_WIDTH)
                .height(PANEL_HEIGHT)
                .title(title)
                .yAxisTitle(axis)
                .build();
        panel.getStyler()
                .setLegendVisible(false)
                .setPlotContentSize(1)
                .setChartBackgroundColor(Color.WHITE)
                .setMarkerSize(5)
                .setAnnotationLineColor(new Color(0xb0b0b0))
                .setAnnotationLineStroke(
                        new BasicStroke(1, BasicStroke.CAP_BUTT, BasicStroke.JOIN_BEVEL, 1, new float[] {4, 3}, 0));
        // The same axis for all panels, so that what stands below each other belongs together.
        panel.getStyler().setXAxisMin(0.0).setXAxisMax(Math.max(1, lastStep));
        panel.getStyler().setLocale(Locale.ROOT).setXAxisDecimalPattern("#,##0").setPlotMargin(0);
        panel.getStyler().setXAxisTickMarkSpacingHint(TICK_SPACING);
        panel.getStyler().setYAxisLeftWidthHint(80);
        stages.stream().skip(1).forEach(stage -> panel.addAnnotation(new AnnotationLine(stage.start(), true, false)));
        return panel;
    }

    private static void percentAxis(XYChart panel) {
        panel.getStyler().setYAxisMin(0.0).setYAxisMax(ACCURACY_TOP).setYAxisDecimalPattern("0");
    }

    /** By name where that has room, else by number. */
    private void nameStages(XYChart panel) {
        for (int i = 0; i < stages.size(); i++) {
            Stage stage = stages.get(i);
            double end = i + 1 < stages.size() ? stages.get(i + 1).start() : lastStep;
            double width = PLOT_WIDTH * (end - stage.start()) / Math.max(1, lastStep);
            String name = stage.name().length() * CHARACTER_WIDTH <= width ? stage.name() : Integer.toString(i + 1);
            if (name.length() * CHARACTER_WIDTH <= width) {
                panel.addAnnotation(new AnnotationText(name, (stage.start() + end) / 2, ACCURACY_TOP - 4, false));
            }
        }
    }

    /** @return null where the column is missing or holds no number */
    private static XYSeries addLine(
            XYChart panel, CsvLogTable table, String column, String name, double scale, Color color) {
        int at = table.column(column);
        int stepAt = table.column(CsvLog.STEP_COLUMN);
        List<double[]> points = new ArrayList<>();
        for (int row = 0; at >= 0 && row < table.rows().size(); row++) {
            double value = table.number(row, at);
            if (Double.isFinite(value)) {
                points.add(new double[] {table.number(row, stepAt), scale * value});
            }
        }
        if (points.isEmpty()) {
            return null;
        }
        int group = (points.size() + MOST_POINTS - 1) / MOST_POINTS;
        int count = (points.size() + group - 1) / group;
        double[] steps = new double[count];
        double[] values = new double[count];
        for (int i = 0; i < count; i++) {
            List<double[]> part = points.subList(i * group, Math.min(points.size(), (i + 1) * group));
            steps[i] = part.stream().mapToDouble(point -> point[0]).average().orElseThrow();
            values[i] = part.stream().mapToDouble(point -> point[1]).average().orElseThrow();
        }
        // The library puts ticks at odd numbers where all points are equally far apart.
        steps[0] *= 1.001;
        XYSeries series = panel.addSeries(name, steps, values);
        series.setMarker(count == 1 ? SeriesMarkers.CIRCLE : SeriesMarkers.NONE);
        series.setLineColor(color);
        series.setLineWidth(1.5f);
        series.setMarkerColor(color);
        return series;
    }

    private static List<Stage> stages(CsvLogTable training) {
        List<Stage> stages = new ArrayList<>();
        int number = training.column("stage");
        int name = training.column("stage_name");
        int step = training.column("step");
        int total = training.column(CsvLog.STEP_COLUMN);
        String last = "";
        for (int row = 0; row < training.rows().size(); row++) {
            String now = training.rows().get(row).get(number);
            if (!now.equals(last)) {
                stages.add(new Stage(
                        training.rows().get(row).get(name), training.number(row, total) - training.number(row, step)));
                last = now;
            }
        }
        return stages;
    }

    /** The number of segments at the end of a figure's name; 0: there is none. */
    private static int lengthOf(String figure) {
        String last = figure.substring(figure.lastIndexOf(' ') + 1);
        return last.matches("[0-9]{1,9}") ? Integer.parseInt(last) : 0;
    }

    private static int taskOf(String figure) {
        for (TaskKind kind : TaskKind.values()) {
            if (figure.startsWith(kind.toString())) {
                return kind.ordinal();
            }
        }
        return -1;
    }
}
