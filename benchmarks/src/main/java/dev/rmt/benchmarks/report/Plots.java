package dev.rmt.benchmarks.report;

import com.fasterxml.jackson.databind.JsonNode;
import dev.rmt.benchmarks.ResidentMemory;
import dev.rmt.benchmarks.report.JmhResults.Cell;
import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.CategorySeries;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.AxesChartStyler;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.Marker;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** The pictures of the report. */
final class Plots {
    private static final int WIDTH = 900;
    private static final int HEIGHT = 480;
    private static final double MIB = 1 << 20;
    private static final int SEGMENT = 512;

    /** Told apart by the colour-blind, and by lightness in print (Okabe and Ito). */
    private static final Color BLUE = new Color(0x0072B2);

    private static final Color ORANGE = new Color(0xE69F00);
    private static final Color GREEN = new Color(0x009E73);
    private static final Color PURPLE = new Color(0xCC79A7);

    private final Findings findings;
    private final Path folder;
    private final List<String> names = new ArrayList<>();

    private Plots(Findings findings, Path folder) {
        this.findings = findings;
        this.folder = folder;
    }

    /**
     * Draws what there is data for.
     *
     * @return names of the files
     */
    static List<String> draw(Findings findings, Path folder) throws IOException {
        Plots plots = new Plots(findings, folder);
        plots.time();
        plots.memory();
        plots.speed();
        return plots.names;
    }

    private void time() throws IOException {
        lengths("time", "Time to read a document", "milliseconds", Cell::milliseconds);
    }

    private void memory() throws IOException {
        lengths(
                "memory",
                "Peak resident memory of the process, 64 MiB of Java heap included",
                "MiB",
                cell -> cell.secondary(ResidentMemory.LABEL).orElse(Double.NaN) / MIB);
    }

    /** Against the number of segments, both axes logarithmic. */
    private void lengths(String name, String title, String unit, ToDoubleFunction<Cell> value) throws IOException {
        List<Cell> recurrence = findings.scaling().map(Findings.Scaling::cells).orElse(List.of());
        if (recurrence.isEmpty()) {
            return;
        }
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle("segments of 512 positions")
                .yAxisTitle(unit)
                .build();
        style(chart.getStyler());
        chart.getStyler().setXAxisLogarithmic(true).setYAxisLogarithmic(true);
        chart.getStyler().setXAxisDecimalPattern("#,##0").setYAxisDecimalPattern("#,##0.###");
        addLine(chart, "recurrence", recurrence, cell -> cell.number("segments"), value, BLUE, SeriesMarkers.CIRCLE);
        List<Cell> full = findings.fullAttention();
        addLine(
                chart,
                "full attention",
                full,
                cell -> (double) cell.number("positions") / SEGMENT,
                value,
                ORANGE,
                SeriesMarkers.SQUARE);
        // Whole decades, so that the lines of the grid mean something.
        double[] all = java.util.stream.Stream.concat(recurrence.stream(), full.stream())
                .mapToDouble(value)
                .filter(Double::isFinite)
                .toArray();
        if (all.length == 0) {
            return;
        }
        chart.getStyler()
                .setYAxisMin(decade(Arrays.stream(all).min().orElseThrow(), false))
                .setYAxisMax(decade(Arrays.stream(all).max().orElseThrow(), true));
        double longest = recurrence.get(recurrence.size() - 1).number("segments");
        chart.getStyler().setXAxisMin(1.0).setXAxisMax(decade(longest, true));
        save(name, chart);
    }

    private static double decade(double value, boolean above) {
        double exponent = Math.log10(value);
        return Math.pow(10, above ? Math.ceil(exponent) : Math.floor(exponent));
    }

    private static void addLine(
            XYChart chart,
            String name,
            List<Cell> cells,
            ToDoubleFunction<Cell> x,
            ToDoubleFunction<Cell> y,
            Color color,
            Marker marker) {
        List<Cell> known = cells.stream()
                .filter(cell -> Double.isFinite(y.applyAsDouble(cell)))
                .toList();
        if (known.isEmpty()) {
            return;
        }
        XYSeries series = chart.addSeries(
                name,
                known.stream().mapToDouble(x).toArray(),
                known.stream().mapToDouble(y).toArray());
        series.setLineColor(color);
        series.setLineStyle(new BasicStroke(2));
        series.setMarker(marker);
        series.setMarkerColor(color);
    }

    /** Tokens a second by model: ours, and the others where they were measured; at the most threads. */
    private void speed() throws IOException {
        Map<String, Map<String, Double>> bars = new LinkedHashMap<>();
        int threads = findings.cells(ReportPlan.SEGMENT_FORWARD).stream()
                .mapToInt(cell -> cell.number("threads"))
                .max()
                .orElse(0);
        for (Cell cell : findings.cells(ReportPlan.SEGMENT_FORWARD)) {
            if (cell.number("threads") == threads) {
                String series = cell.benchmark().equals(Findings.FULL) ? "ours, full" : "ours, recurrence";
                put(bars, series, cell.model(), Findings.tokensPerSecond(cell));
            }
        }
        for (JsonNode row : findings.comparisons()) {
            if (row.path("benchmark").asText().equals(Findings.FULL)
                    && row.path("threads").asInt() == threads) {
                String series = row.path("peer").asText().equals("onnxruntime") ? "ONNX Runtime" : "libtorch";
                put(
                        bars,
                        series,
                        row.path("model").asText(),
                        499_000 / row.path("peer_ms").asDouble());
            }
        }
        if (bars.isEmpty()) {
            return;
        }
        CategoryChart chart = new CategoryChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title("Reading speed, " + threads + (threads == 1 ? " thread" : " threads"))
                .xAxisTitle("encoder: layers × hidden size")
                .yAxisTitle("tokens a second")
                .build();
        style(chart.getStyler());
        chart.getStyler().setYAxisLogarithmic(true).setYAxisDecimalPattern("#,##0");
        // Marks, not bars: a bar says something by its length, which a logarithmic axis makes meaningless.
        chart.getStyler().setDefaultSeriesRenderStyle(CategorySeries.CategorySeriesRenderStyle.Scatter);
        chart.getStyler().setMarkerSize(12);
        Map<String, Color> colors =
                Map.of("ours, recurrence", BLUE, "ours, full", GREEN, "ONNX Runtime", ORANGE, "libtorch", PURPLE);
        Map<String, Marker> markers = Map.of(
                "ours, recurrence", SeriesMarkers.CIRCLE,
                "ours, full", SeriesMarkers.DIAMOND,
                "ONNX Runtime", SeriesMarkers.SQUARE,
                "libtorch", SeriesMarkers.TRIANGLE_UP);
        List<String> models = bars.values().stream()
                .flatMap(values -> values.keySet().stream())
                .distinct()
                .toList();
        for (String name : List.of("ours, recurrence", "ours, full", "ONNX Runtime", "libtorch")) {
            Map<String, Double> values = bars.get(name);
            if (values != null) {
                CategorySeries marks = chart.addSeries(
                        name,
                        models.stream().map(Findings::title).toList(),
                        models.stream().map(values::get).toList());
                marks.setMarker(markers.get(name));
                marks.setMarkerColor(colors.get(name));
                marks.setLineColor(colors.get(name));
            }
        }
        double[] all = bars.values().stream()
                .flatMap(values -> values.values().stream())
                .mapToDouble(Double::doubleValue)
                .toArray();
        chart.getStyler()
                .setYAxisMin(decade(Arrays.stream(all).min().orElseThrow(), false))
                .setYAxisMax(decade(Arrays.stream(all).max().orElseThrow(), true));
        save("speed", chart);
    }

    private static void put(Map<String, Map<String, Double>> bars, String series, String model, double value) {
        if (Double.isFinite(value)) {
            bars.computeIfAbsent(series, it -> new LinkedHashMap<>()).put(model, value);
        }
    }

    private static void style(AxesChartStyler styler) {
        styler.setChartBackgroundColor(Color.WHITE);
        styler.setLegendPosition(Styler.LegendPosition.OutsideE);
        styler.setLegendBorderColor(Color.WHITE);
        styler.setPlotBorderVisible(false);
        styler.setLocale(Locale.ROOT);
    }

    private void save(String name, org.knowm.xchart.internal.chartpart.Chart<?, ?> chart) throws IOException {
        BitmapEncoder.saveBitmap(chart, folder.resolve(name).toString(), BitmapEncoder.BitmapFormat.PNG);
        names.add(folder.getFileName() + "/" + name + ".png");
    }
}
