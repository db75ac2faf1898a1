package dev.rmt.cli;

import dev.rmt.eval.ConfidenceInterval;
import dev.rmt.eval.EvaluationRow;
import dev.rmt.task.MemoryTask;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.knowm.xchart.AnnotationLine;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.markers.Marker;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * Accuracy against the number of segments with bands of 95 % confidence, speed and memory below it. One model: a line for each
 * task. Several: a line for each of them, and a panel for each task.
 */
final class EvalChart {
    /**
     * Results of one model.
     *
     * @param control the same without memory; may be empty
     */
    record Run(String model, List<EvaluationRow> rows, List<EvaluationRow> control) {}

    private static final int PANEL_WIDTH = 760;
    private static final int ACCURACY_HEIGHT = 330;
    private static final int LOWER_HEIGHT = 200;
    /** Wider than the widest label, so that panels stand in line but for a few pixels. */
    private static final int AXIS_WIDTH = 90;

    private static final int LEAST_LEGEND = 190;
    private static final int CHARACTER_WIDTH = 7;
    private static final int LEGEND_REST = 60;
    private static final int LONGEST_NAME = 40;

    private static final double MIB = 1 << 20;
    private static final double CHANCE = 100.0 / MemoryTask.LABELS.size();
    private static final int BAND_ALPHA = 45;
    /** Of the axis of lengths: lines at the same height are moved aside by that much, so that each can be seen. */
    private static final double ASIDE = 0.006;
    /** Likewise: half the width of the bar around a single point. */
    private static final double ALONE = 0.002;

    private static final double MARGIN = 0.25;
    private static final PowerAxis LENGTHS = new PowerAxis(2);

    private static final List<Marker> MARKERS = List.of(
            SeriesMarkers.CIRCLE,
            SeriesMarkers.SQUARE,
            SeriesMarkers.DIAMOND,
            SeriesMarkers.TRIANGLE_UP,
            SeriesMarkers.TRIANGLE_DOWN);

    private final List<Run> runs;
    private final List<String> tasks;
    private final double from; // of the axis of lengths
    private final double to;
    private final double lowest; // of the axes of accuracy

    /** @param runs each with at least one row */
    private EvalChart(List<Run> runs) {
        this.runs = runs;
        Set<String> all = new LinkedHashSet<>();
        runs.forEach(run -> run.rows().forEach(row -> all.add(row.task())));
        tasks = List.copyOf(all);
        from = Math.floor(LENGTHS.at(
                        rows().mapToInt(EvaluationRow::segments).min().orElseThrow()))
                - MARGIN;
        lowest = lowestShown();
        to = Math.ceil(LENGTHS.at(rows().mapToInt(EvaluationRow::segments).max().orElseThrow())) + MARGIN;
    }

    /** Good figures lie close together: nothing is shown of what all bands are far above. */
    private double lowestShown() {
        double lowestEnd = runs.stream()
                .flatMap(run -> Stream.concat(run.rows().stream(), run.control().stream()))
                .mapToDouble(row -> 100 * row.interval().low())
                .min()
                .orElseThrow();
        return 5 * Math.floor(Math.max(0, lowestEnd - 1) / 5);
    }

    /** A line in each panel. */
    private record Line(String name, List<EvaluationRow> rows, List<EvaluationRow> control, int number) {}

    /** Throws what {@link Picture#saveOrFail} does. */
    static void save(String option, Path file, List<Run> runs) {
        EvalChart chart = new EvalChart(runs);
        int height = chart.accuracyPanels() * ACCURACY_HEIGHT + 2 * LOWER_HEIGHT;
        Picture.saveOrFail(option, file, PANEL_WIDTH + chart.legendWidth(), height, chart::paint);
    }

    private boolean byTask() {
        return runs.size() == 1;
    }

    private int accuracyPanels() {
        return byTask() ? 1 : tasks.size();
    }

    private int legendWidth() {
        int longest = lines(row -> true).stream()
                .mapToInt(line -> shown(line.name()).length())
                .max()
                .orElseThrow();
        return Math.max(LEAST_LEGEND, LEGEND_REST + CHARACTER_WIDTH * longest);
    }

    private void paint(Graphics2D graphics) {
        int legendY = (ACCURACY_HEIGHT - legend().height()) / 2;
        legend().paint(graphics, PANEL_WIDTH, Math.max(0, legendY));
        if (byTask()) {
            paint(
                    graphics,
                    accuracy("Right answers: " + shown(runs.get(0).model()), lines(row -> true)),
                    ACCURACY_HEIGHT);
        } else {
            for (String task : tasks) {
                paint(
                        graphics,
                        accuracy(
                                "Right answers: " + task,
                                lines(row -> row.task().equals(task))),
                        ACCURACY_HEIGHT);
            }
        }
        paint(graphics, lower("Speed", "1,000 tokens/s", row -> row.tokensPerSecond() / 1000), LOWER_HEIGHT);
        XYChart memory = lower("Peak memory", "MiB", row -> row.peakRssBytes() / MIB);
        memory.setXAxisTitle("segments of a text");
        paint(graphics, memory, LOWER_HEIGHT);
    }

    private static void paint(Graphics2D graphics, XYChart panel, int height) {
        panel.paint(graphics, PANEL_WIDTH, height);
        graphics.translate(0, height);
    }

    private ChartLegend legend() {
        ChartLegend legend = new ChartLegend();
        List<Line> lines = lines(row -> true);
        legend.heading(byTask() ? "task" : "model");
        lines.forEach(line -> legend.line(shown(line.name()), ChartLegend.color(line.number()), false));
        legend.heading("");
        if (lines.stream().anyMatch(line -> !line.control().isEmpty())) {
            legend.line("without memory", ChartLegend.GRAY, true);
        }
        legend.note("bands: 95 % confidence");
        return lowest < CHANCE ? legend.note("dots: guessing") : legend;
    }

    /** A model may be a long path: its end says most. */
    private static String shown(String name) {
        return name.length() <= LONGEST_NAME ? name : "..." + name.substring(name.length() - LONGEST_NAME + 3);
    }

    private List<Line> lines(Predicate<EvaluationRow> wanted) {
        List<Line> lines = new ArrayList<>();
        for (String name : byTask() ? tasks : runs.stream().map(Run::model).toList()) {
            int number = lines.size();
            Run run = runs.get(byTask() ? 0 : number);
            Predicate<EvaluationRow> ofLine = byTask() ? row -> row.task().equals(name) : wanted;
            lines.add(new Line(name, sorted(run.rows(), ofLine), sorted(run.control(), ofLine), number));
        }
        return lines;
    }

    private static List<EvaluationRow> sorted(List<EvaluationRow> rows, Predicate<EvaluationRow> wanted) {
        return rows.stream()
                .filter(wanted)
                .filter(row -> row.samples() > 0)
                .sorted(Comparator.comparingInt(EvaluationRow::segments))
                .toList();
    }

    // ---- panels ----

    private XYChart accuracy(String title, List<Line> lines) {
        XYChart panel = panel(title, "right, %", ACCURACY_HEIGHT);
        for (Line line : lines) {
            addAccuracy(panel, line, line.rows(), false, lines.size());
            addAccuracy(panel, line, line.control(), true, lines.size());
        }
        panel.getStyler()
                .setYAxisMin(lowest)
                .setYAxisMax(100 + (100 - lowest) / 40)
                .setYAxisDecimalPattern("0");
        if (lowest < CHANCE) {
            panel.addAnnotation(new AnnotationLine(CHANCE, false, false));
        }
        return panel;
    }

    private void addAccuracy(XYChart panel, Line line, List<EvaluationRow> rows, boolean control, int lines) {
        if (rows.isEmpty()) {
            return;
        }
        double aside = ASIDE * (to - from) * (line.number() - (lines - 1) / 2.0);
        String name = line.name() + (control ? ", without memory" : "");
        double[] x = rows.stream()
                .mapToDouble(row -> LENGTHS.at(row.segments()) + aside)
                .toArray();
        addBand(panel, name + ", band", x, rows, ChartLegend.color(line.number()));
        double[] y = rows.stream().mapToDouble(row -> 100 * row.accuracy()).toArray();
        style(panel.addSeries(name, x, y), line, control);
    }

    /** From the upper ends forwards and the lower ends backwards. */
    private void addBand(XYChart panel, String name, double[] x, List<EvaluationRow> rows, Color color) {
        int count = rows.size();
        double[] ends = new double[2 * count];
        double[] around = new double[2 * count];
        for (int i = 0; i < count; i++) {
            ConfidenceInterval interval = rows.get(i).interval();
            ends[i] = 100 * interval.high();
            ends[2 * count - 1 - i] = 100 * interval.low();
            around[i] = x[i];
            around[2 * count - 1 - i] = x[i];
        }
        if (count == 1) { // a point has a bar
            ends = new double[] {ends[0], ends[0], ends[1], ends[1]};
            double half = ALONE * (to - from);
            around = new double[] {x[0] - half, x[0] + half, x[0] + half, x[0] - half};
        }
        XYSeries area = panel.addSeries(name, around, ends);
        area.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.PolygonArea);
        area.setFillColor(new Color(color.getRed(), color.getGreen(), color.getBlue(), BAND_ALPHA));
        area.setLineColor(new Color(0, 0, 0, 0));
        area.setMarker(SeriesMarkers.NONE);
    }

    /** One figure of each length: the mean over the tasks. */
    private XYChart lower(String title, String axis, ToDoubleFunction<EvaluationRow> figure) {
        XYChart panel = panel(title, axis, LOWER_HEIGHT);
        double highest = 0;
        for (Line line : lines(row -> true)) {
            TreeMap<Integer, List<EvaluationRow>> byLength = new TreeMap<>();
            line.rows().stream()
                    .filter(row -> figure.applyAsDouble(row) > 0)
                    .forEach(row -> byLength.computeIfAbsent(row.segments(), it -> new ArrayList<>())
                            .add(row));
            if (byLength.isEmpty()) {
                continue;
            }
            double[] values = byLength.values().stream()
                    .mapToDouble(
                            rows -> rows.stream().mapToDouble(figure).average().orElseThrow())
                    .toArray();
            double[] lengths =
                    byLength.keySet().stream().mapToDouble(LENGTHS::at).toArray();
            XYSeries series = panel.addSeries(line.name(), lengths, values);
            style(series, line, false);
            highest = Math.max(highest, series.getYMax());
        }
        panel.getStyler()
                .setYAxisMin(0.0)
                .setYAxisMax(Math.max(1, 1.15 * highest))
                .setYAxisDecimalPattern("#,##0");
        return panel;
    }

    private static void style(XYSeries series, Line line, boolean control) {
        series.setLineColor(ChartLegend.color(line.number()));
        series.setLineStyle(ChartLegend.stroke(control));
        series.setMarker(MARKERS.get(line.number() % MARKERS.size()));
        series.setMarkerColor(ChartLegend.color(line.number()));
    }

    private XYChart panel(String title, String axis, int height) {
        XYChart panel = new XYChartBuilder()
                .width(PANEL_WIDTH)
                .height(height)
                .title(title)
                .yAxisTitle(axis)
                .build();
        panel.getStyler()
                .setLegendVisible(false)
                .setChartBackgroundColor(Color.WHITE)
                .setAnnotationLineColor(ChartLegend.GRAY)
                .setAnnotationLineStroke(
                        new BasicStroke(1, BasicStroke.CAP_BUTT, BasicStroke.JOIN_BEVEL, 1, new float[] {2, 3}, 0));
        panel.getStyler().setPlotGridLinesColor(ChartLegend.GRID).setMarkerSize(7);
        panel.getStyler().setLocale(Locale.ROOT).setXAxisMin(from).setXAxisMax(to);
        panel.getStyler().setxAxisTickLabelsFormattingFunction(LENGTHS::label);
        panel.getStyler().setXAxisTickMarkSpacingHint(PowerAxis.spacing(from, to, PANEL_WIDTH - AXIS_WIDTH));
        panel.getStyler().setYAxisLeftWidthHint(AXIS_WIDTH);
        return panel;
    }

    private Stream<EvaluationRow> rows() {
        return runs.stream().flatMap(run -> run.rows().stream());
    }
}
