package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.rmt.cli.HeatMap.Label;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class HeatMapTest {
    @BeforeAll
    static void noScreen() {
        System.setProperty("java.awt.headless", "true");
    }

    private static HeatMap map(double[][] values, boolean gap) {
        List<Label> labels = IntStream.range(0, values.length)
                .mapToObj(i -> new Label("token " + i, i == 1, gap && i == 1))
                .toList();
        return new HeatMap("title", "what is seen", labels, labels, "row", "column", values, "share", true, 20);
    }

    private static BufferedImage paint(HeatMap map) {
        BufferedImage image = new BufferedImage(map.width(), map.height(), BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        graphics.setColor(Color.WHITE);
        graphics.fillRect(0, 0, map.width(), map.height());
        map.paint(graphics);
        graphics.dispose();
        return image;
    }

    private static long count(BufferedImage image, int color) {
        return IntStream.range(0, image.getWidth() * image.getHeight())
                .filter(i -> (image.getRGB(i % image.getWidth(), i / image.getWidth()) & 0xFFFFFF) == color)
                .count();
    }

    @Test
    void theLargestValueIsTheDarkestWhateverItsSize() {
        int darkest = 0x5A0710;
        for (double scale : new double[] {1, 1e-3, 1e3}) {
            BufferedImage image = paint(map(new double[][] {{scale, 0}, {0, scale}}, false));
            // Two squares of 20 x 20, and what the scale bar has at its top.
            assertThat(count(image, darkest)).isBetween(800L, 850L);
        }
    }

    @Test
    void allZerosAreWhiteAndDrawnAllTheSame() {
        BufferedImage image = paint(map(new double[2][2], false));
        assertThat(count(image, 0x5A0710)).isLessThan(50);
    }

    @Test
    void whereRowsAndColumnsWereLeftOutAGreyBandStands() {
        double[][] values = {{1, 0}, {0, 1}};
        assertThat(count(paint(map(values, false)), 0xDDDDDD)).isLessThan(20);
        // Two bands of 6 pixels through 2 x 20 + 6, crossing once.
        assertThat(count(paint(map(values, true)), 0xDDDDDD)).isBetween(516L - 20, 516L + 20);
    }

    @Test
    void darknessGrowsWithTheValue() {
        double[][] values = new double[8][8];
        for (int i = 0; i < 64; i++) {
            values[i / 8][i % 8] = i;
        }
        HeatMap map = map(values, false);
        BufferedImage image = paint(map);
        int previous = Integer.MAX_VALUE;
        int x = map.width(); // found from the right: the bar's lower end is white, its upper end dark
        for (int y = map.height() - 1; y > 0; y--) {
            int lightness = lightnessOfBar(image, y, x);
            if (lightness >= 0) {
                assertThat(lightness).isLessThanOrEqualTo(previous);
                previous = lightness;
            }
        }
        assertThat(previous).isLessThan(120);
    }

    /** Sum of the channels in the middle of the scale bar of 8 cells of 20 pixels; -1: above or below it. */
    private static int lightnessOfBar(BufferedImage image, int y, int width) {
        int x = 14 + 20 + (7 * 7 + 12) + 8 * 20 + 18 + 7;
        int top = 46 + 20 + (7 * 7 + 12);
        if (y < top || y >= top + 160 || x >= width) {
            return -1;
        }
        int color = image.getRGB(x, y);
        return (color >> 16 & 0xFF) + (color >> 8 & 0xFF) + (color & 0xFF);
    }
}
