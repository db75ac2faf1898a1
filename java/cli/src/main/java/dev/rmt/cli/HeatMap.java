package dev.rmt.cli;

import java.awt.Color;
import java.awt.Font;
import java.awt.FontMetrics;
import java.awt.Graphics2D;
import java.awt.geom.AffineTransform;
import java.awt.geom.Rectangle2D;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Numbers as squares from white to dark red, with labels, axis names and a scale bar. The scale is one of lightness, so that it
 * is read the same way without seeing colours, and in print.
 *
 * @param title in bold
 * @param subtitle what is seen; "": nothing
 * @param rows what stands beside the rows, from top to bottom
 * @param columns what stands above the columns
 * @param rowAxis what a row is
 * @param columnAxis what a column is
 * @param values (rows, columns), 0 or more
 * @param scale what the values are
 * @param percent whether values are shares
 * @param cell width and height of a square, in pixels
 */
record HeatMap(
        String title,
        String subtitle,
        List<Label> rows,
        List<Label> columns,
        String rowAxis,
        String columnAxis,
        double[][] values,
        String scale,
        boolean percent,
        int cell) {
    /** Width and height of a square beside which a label can be read. */
    static final int SMALLEST_CELL = 14;

    /**
     * The label of a row or column.
     *
     * @param text as long as it takes; what is too long is cut with an ellipsis
     * @param marked whether it stands out
     * @param gap whether rows or columns were left out before it: a grey band says so
     */
    record Label(String text, boolean marked, boolean gap) {
        static Label of(String text) {
            return new Label(text, false, false);
        }
    }

    private static final int GAP = 6;
    private static final int LONGEST_LABEL = 96;
    private static final int CHARACTER = 7;
    private static final int TITLE_HEIGHT = 46;
    private static final int MARGIN = 14;
    private static final int AXIS = 20;
    private static final int BAR_GAP = 18;
    private static final int BAR_WIDTH = 14;
    private static final int BAR_LABELS = 70;
    private static final int BAR_HEIGHT = 160;
    private static final int NARROWEST = 480;
    private static final Font TITLE = new Font(Font.SANS_SERIF, Font.BOLD, 14);
    private static final Font PLAIN = new Font(Font.SANS_SERIF, Font.PLAIN, 12);
    private static final Font SMALL = new Font(Font.SANS_SERIF, Font.PLAIN, 10);
    private static final Font SMALL_BOLD = new Font(Font.SANS_SERIF, Font.BOLD, 10);
    private static final Color TEXT = new Color(0x222222);
    private static final Color FAINT = new Color(0x666666);
    private static final Color MARK = new Color(0x0055A4);
    private static final Color LEFT_OUT = new Color(0xDDDDDD);
    private static final Color FRAME = new Color(0x999999);
    private static final int[] COLORS = {0xFFFFFF, 0xFEE5D9, 0xFCBBA1, 0xFC9272, 0xFB6A4A, 0xDE2D26, 0xA50F15, 0x5A0710
    };

    int width() {
        int plot = MARGIN + AXIS + labelLength(rows) + extent(columns) + BAR_GAP + BAR_WIDTH + BAR_LABELS;
        return Math.max(plot, NARROWEST);
    }

    int height() {
        return TITLE_HEIGHT + AXIS + labelLength(columns) + Math.max(extent(rows), BAR_HEIGHT) + MARGIN;
    }

    /** Room for the longest label; what is longer still is cut. */
    private static int labelLength(List<Label> labels) {
        int longest =
                labels.stream().mapToInt(label -> label.text().length()).max().orElse(0);
        return Math.min(LONGEST_LABEL, longest * CHARACTER + 12);
    }

    private int extent(List<Label> labels) {
        return labels.size() * cell + (int) labels.stream().filter(Label::gap).count() * GAP;
    }

    /** Where each label's cells begin, from 0. */
    private int[] places(List<Label> labels) {
        int[] places = new int[labels.size()];
        int at = 0;
        for (int i = 0; i < places.length; i++) {
            at += labels.get(i).gap() ? GAP : 0;
            places[i] = at;
            at += cell;
        }
        return places;
    }

    /** Paints with the upper left corner at (0, 0). */
    void paint(Graphics2D graphics) {
        AffineTransform before = graphics.getTransform();
        text(graphics, TITLE, TEXT, title, MARGIN, 20);
        text(graphics, PLAIN, FAINT, subtitle, MARGIN, 37);
        graphics.translate(MARGIN + AXIS + labelLength(rows), TITLE_HEIGHT + AXIS + labelLength(columns));
        paintCells(graphics);
        paintLabels(graphics);
        paintBar(graphics);
        graphics.setTransform(before);
    }

    private void paintCells(Graphics2D graphics) {
        int[] x = places(columns);
        int[] y = places(rows);
        double largest = largest();
        for (int r = 0; r < y.length; r++) {
            for (int c = 0; c < x.length; c++) {
                graphics.setColor(color(largest == 0 ? 0 : values[r][c] / largest));
                graphics.fill(new Rectangle2D.Double(x[c], y[r], cell, cell));
            }
        }
        graphics.setColor(LEFT_OUT);
        for (int r = 0; r < y.length; r++) {
            if (rows.get(r).gap()) {
                graphics.fill(new Rectangle2D.Double(0, y[r] - GAP, extent(columns), GAP));
            }
        }
        for (int c = 0; c < x.length; c++) {
            if (columns.get(c).gap()) {
                graphics.fill(new Rectangle2D.Double(x[c] - GAP, 0, GAP, extent(rows)));
            }
        }
        graphics.setColor(FRAME);
        graphics.draw(new Rectangle2D.Double(-1, -1, extent(columns) + 1, extent(rows) + 1));
    }

    private void paintLabels(Graphics2D graphics) {
        int[] x = places(columns);
        int[] y = places(rows);
        for (int r = 0; r < y.length; r++) {
            Label label = rows.get(r);
            String shown = prepare(graphics, label);
            int width = graphics.getFontMetrics().stringWidth(shown);
            graphics.drawString(shown, -6 - width, y[r] + cell / 2 + 4);
        }
        AffineTransform before = graphics.getTransform();
        for (int c = 0; c < x.length; c++) {
            graphics.translate(x[c] + cell / 2 + 4, -6);
            graphics.rotate(-Math.PI / 2);
            graphics.drawString(prepare(graphics, columns.get(c)), 0, 0);
            graphics.setTransform(before);
        }
        text(graphics, PLAIN, FAINT, columnAxis, 0, -labelLength(columns) - 6);
        graphics.translate(-labelLength(rows) - 6, 0);
        graphics.rotate(-Math.PI / 2);
        text(graphics, PLAIN, FAINT, rowAxis, -graphics.getFontMetrics(PLAIN).stringWidth(rowAxis), 0);
        graphics.setTransform(before);
    }

    /** Sets font and colour of a label and returns what fits of its text. */
    private static String prepare(Graphics2D graphics, Label label) {
        graphics.setFont(label.marked() ? SMALL_BOLD : SMALL);
        graphics.setColor(label.marked() ? MARK : TEXT);
        FontMetrics metrics = graphics.getFontMetrics();
        String text = label.text();
        while (metrics.stringWidth(text) > LONGEST_LABEL - 12 && text.length() > 2) {
            text = text.substring(0, text.length() - 2) + "\u2026";
        }
        return text;
    }

    private void paintBar(Graphics2D graphics) {
        int x = extent(columns) + BAR_GAP;
        double largest = largest();
        for (int i = 0; i < BAR_HEIGHT; i++) {
            graphics.setColor(color(1 - (double) i / (BAR_HEIGHT - 1)));
            graphics.fill(new Rectangle2D.Double(x, i, BAR_WIDTH, 1));
        }
        graphics.setColor(FRAME);
        graphics.draw(new Rectangle2D.Double(x - 1, -1, BAR_WIDTH + 1, BAR_HEIGHT + 1));
        for (int i = 0; i <= 4; i++) {
            String number = number(largest * i / 4);
            text(graphics, SMALL, TEXT, number, x + BAR_WIDTH + 5, (int) ((1 - i / 4.0) * (BAR_HEIGHT - 1)) + 4);
        }
        AffineTransform before = graphics.getTransform();
        graphics.translate(x + BAR_WIDTH + BAR_LABELS - 16, BAR_HEIGHT);
        graphics.rotate(-Math.PI / 2);
        text(graphics, PLAIN, FAINT, scale, 0, 0);
        graphics.setTransform(before);
    }

    private String number(double value) {
        return percent
                ? String.format(Locale.ROOT, largest() < 0.2 ? "%.1f %%" : "%.0f %%", 100 * value)
                : String.format(Locale.ROOT, largest() < 10 ? "%.2f" : "%.1f", value);
    }

    private double largest() {
        return Arrays.stream(values).flatMapToDouble(Arrays::stream).max().orElse(0);
    }

    private static void text(Graphics2D graphics, Font font, Color color, String text, int x, int y) {
        graphics.setFont(font);
        graphics.setColor(color);
        graphics.drawString(text, x, y);
    }

    /** @param value 0: white, 1: the darkest */
    private static Color color(double value) {
        double place = Math.max(0, Math.min(1, value)) * (COLORS.length - 1);
        int below = Math.min((int) place, COLORS.length - 2);
        double part = place - below;
        int mixed = 0;
        for (int shift = 0; shift <= 16; shift += 8) {
            int from = COLORS[below] >> shift & 0xFF;
            int to = COLORS[below + 1] >> shift & 0xFF;
            mixed |= (int) Math.round(from + part * (to - from)) << shift;
        }
        return new Color(mixed);
    }
}
