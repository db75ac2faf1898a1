package dev.rmt.cli;

import dev.rmt.flops.PaperFlops;
import dev.rmt.flops.TransformerSize;
import java.awt.Color;
import java.awt.Graphics2D;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.markers.Marker;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Operations against the length of the text, both logarithmic: RMT and full attention for each model, as in figure 3 of the paper. */
final class FlopsChart {
    private static final int PANEL_WIDTH = 760;
    private static final int HEIGHT = 520;
    private static final int LEGEND_WIDTH = 230;
    private static final int POINTS = 24;
    /** Factors and lengths from here on are written with powers. */
    private static final double POWERS_FROM = 1e7;

    private static final PowerAxis AXIS = new PowerAxis(10);

    private final Map<String, TransformerSize> models;
    private final List<Long> lengths;

    private FlopsChart(Map<String, TransformerSize> models, List<Long> lengths) {
        this.models = models;
        this.lengths = lengths;
    }

    /** Throws what {@link Picture#saveOrFail} does. */
    static void save(String option, Path file, Map<String, TransformerSize> models, List<Long> lengths) {
        FlopsChart chart = new FlopsChart(models, lengths);
        Picture.saveOrFail(option, file, PANEL_WIDTH + LEGEND_WIDTH, HEIGHT, chart::paint);
    }

    private void paint(Graphics2D graphics) {
        long longest = lengths.stream().mapToLong(Long::longValue).max().orElseThrow();
        long shortest = Math.min(
                lengths.stream().mapToLong(Long::longValue).min().orElseThrow(),
                Math.min(PaperFlops.SEGMENT, Math.max(1, longest / 10)));
        XYChart chart = chart();
        ChartLegend legend = new ChartLegend();
        legend.heading("At " + count(longest) + " tokens");
        int number = 0;
        for (Map.Entry<String, TransformerSize> model : models.entrySet()) {
            Color color = ChartLegend.color(number++);
            add(chart, model, shortest, longest, color, true);
            add(chart, model, shortest, longest, color, false);
            legend.line(
                    model.getKey() + ": "
                            + count(PaperFlops.of(model.getValue(), longest).reduction()) + " times fewer",
                    color,
                    false);
        }
        legend.heading("").line("RMT", ChartLegend.GRAY, false).line("full attention", ChartLegend.GRAY, true);
        chart.getStyler()
                .setXAxisTickMarkSpacingHint(PowerAxis.spacing(AXIS.at(shortest), AXIS.at(longest), PANEL_WIDTH));
        chart.paint(graphics, PANEL_WIDTH, HEIGHT);
        legend.paint(graphics, PANEL_WIDTH, (HEIGHT - legend.height()) / 2);
    }

    private static XYChart chart() {
        XYChart chart = new XYChartBuilder()
                .width(PANEL_WIDTH)
                .height(HEIGHT)
                .title("Operations to read a text once")
                .xAxisTitle("length of the text, tokens")
                .yAxisTitle("floating-point operations")
                .build();
        chart.getStyler().setLegendVisible(false).setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setLocale(Locale.ROOT);
        chart.getStyler().setxAxisTickLabelsFormattingFunction(AXIS::label);
        chart.getStyler().setyAxisTickLabelsFormattingFunction(AXIS::label);
        chart.getStyler().setPlotGridLinesColor(ChartLegend.GRID).setMarkerSize(6);
        return chart;
    }

    /** Two series: a line without markers, and the lengths that were asked for. */
    private void add(
            XYChart chart,
            Map.Entry<String, TransformerSize> model,
            long shortest,
            long longest,
            Color color,
            boolean full) {
        List<Long> along = new ArrayList<>();
        int parts = full ? POINTS : 1; // RMT's is straight
        for (int i = 0; i <= parts; i++) {
            along.add(Math.round(shortest * Math.pow((double) longest / shortest, (double) i / parts)));
        }
        String name = model.getKey() + (full ? ", full attention" : ", RMT");
        XYSeries line = series(chart, name, model.getValue(), along, color, full, SeriesMarkers.NONE);
        line.setLineStyle(ChartLegend.stroke(full));
        series(chart, name + ", lengths", model.getValue(), lengths, color, full, SeriesMarkers.CIRCLE)
                .setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
    }

    private static XYSeries series(
            XYChart chart,
            String name,
            TransformerSize size,
            List<Long> lengths,
            Color color,
            boolean full,
            Marker marker) {
        double[] x = lengths.stream().mapToDouble(Long::doubleValue).toArray();
        double[] y = lengths.stream()
                .map(tokens -> PaperFlops.of(size, tokens))
                .mapToDouble(flops -> full ? flops.fullAttention() : flops.rmt())
                .toArray();
        XYSeries series = chart.addSeries(name, AXIS.at(x), AXIS.at(y));
        series.setLineColor(color);
        series.setMarkerColor(color);
        series.setMarker(marker);
        return series;
    }

    private static String count(double value) {
        return value < POWERS_FROM ? Text.number(value) : Text.power(value);
    }
}
