package dev.rmt.cli;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.geom.Line2D;
import java.util.ArrayList;
import java.util.List;

/**
 * What the lines of charts mean, drawn beside them: legends of the library have widths of their own, and panels below each other
 * would not stand in line.
 */
final class ChartLegend {
    static final Color TEXT = new Color(0x303030);
    static final Color GRAY = new Color(0x707070);
    static final Color GRID = new Color(0xe0e0e0);
    static final float LINE_WIDTH = 2f;
    /** Lines that are drawn for comparison. */
    private static final float[] DASHES = {6, 4};

    /** Colours that people with any kind of colour vision tell apart (Okabe and Ito 2008), without its yellow. */
    private static final List<Color> COLORS = List.of(
            new Color(0x0072b2),
            new Color(0xd55e00),
            new Color(0x009e73),
            new Color(0xcc79a7),
            new Color(0xe69f00),
            new Color(0x56b4e9),
            new Color(0x000000));

    private static final int LINE_HEIGHT = 20;
    private static final int SAMPLE_WIDTH = 28;
    private static final int GAP = 8;
    private static final Font FONT = new Font(Font.SANS_SERIF, Font.PLAIN, 12);

    private final List<Entry> entries = new ArrayList<>();

    /** @param color null: text alone */
    private record Entry(String text, Color color, boolean dashed, boolean bold) {}

    /** Of the line of that number; they begin anew after the last. */
    static Color color(int line) {
        return COLORS.get(line % COLORS.size());
    }

    static BasicStroke stroke(boolean dashed) {
        return dashed
                ? new BasicStroke(LINE_WIDTH, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 1, DASHES, 0)
                : new BasicStroke(LINE_WIDTH, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND);
    }

    ChartLegend heading(String text) {
        entries.add(new Entry(text, null, false, true));
        return this;
    }

    ChartLegend note(String text) {
        entries.add(new Entry(text, null, false, false));
        return this;
    }

    ChartLegend line(String text, Color color, boolean dashed) {
        entries.add(new Entry(text, color, dashed, false));
        return this;
    }

    int height() {
        return entries.size() * LINE_HEIGHT;
    }

    void paint(Graphics2D graphics, int x, int y) {
        int baseline = y;
        for (Entry entry : entries) {
            baseline += LINE_HEIGHT;
            int textX = x;
            if (entry.color() != null) {
                graphics.setColor(entry.color());
                graphics.setStroke(stroke(entry.dashed()));
                graphics.draw(new Line2D.Double(x, baseline - 4.5, x + SAMPLE_WIDTH, baseline - 4.5));
                textX += SAMPLE_WIDTH + GAP;
            }
            graphics.setColor(TEXT);
            graphics.setFont(font(entry));
            graphics.drawString(entry.text(), textX, baseline);
        }
    }

    private static Font font(Entry entry) {
        return entry.bold() ? FONT.deriveFont(Font.BOLD) : FONT;
    }
}
