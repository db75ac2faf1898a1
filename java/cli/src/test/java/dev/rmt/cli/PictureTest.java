package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

class PictureTest {
    @TempDir
    Path folder;

    @BeforeAll
    static void noScreen() {
        System.setProperty("java.awt.headless", "true");
    }

    private static void redSquare(Graphics2D graphics) {
        graphics.setColor(Color.RED);
        graphics.fillRect(10, 10, 20, 20);
    }

    private static Document xml(Path file) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newDefaultNSInstance();
        // The DTD that the file names stands on a web server; nothing here may ask for it.
        factory.setFeature("http://apache.org/xml/features/nonvalidating/load-external-dtd", false);
        return factory.newDocumentBuilder().parse(file.toFile());
    }

    @Test
    void aPngHasTheSizeAndWhatWasDrawnOnWhite() throws IOException {
        Path file = folder.resolve("a.png");
        assertThat(Picture.save(file, 60, 40, PictureTest::redSquare)).isEmpty();
        BufferedImage image = ImageIO.read(file.toFile());
        assertThat(List.of(image.getWidth(), image.getHeight())).containsExactly(60, 40);
        assertThat(image.getRGB(20, 20)).isEqualTo(Color.RED.getRGB());
        assertThat(image.getRGB(50, 5)).isEqualTo(Color.WHITE.getRGB());
    }

    @Test
    void anSvgIsXmlOfThatSizeWithTheShapeInIt() throws Exception {
        Path file = folder.resolve("a.SVG");
        assertThat(Picture.save(file, 60, 40, PictureTest::redSquare)).isEmpty();
        Element svg = xml(file).getDocumentElement();
        assertThat(svg.getNamespaceURI()).isEqualTo("http://www.w3.org/2000/svg");
        assertThat(List.of(svg.getTagName(), svg.getAttribute("width"), svg.getAttribute("height")))
                .containsExactly("svg", "60", "40");
        assertThat(Files.readString(file)).contains("red").contains("<rect");
    }

    @Test
    void aChartBecomesSvg() throws Exception {
        assumeTrue(Fonts.areHere(), "this machine has no fonts");
        XYChart chart =
                new XYChartBuilder().width(300).height(200).title("A title").build();
        chart.addSeries("line", new double[] {1, 2, 3}, new double[] {3, 1, 2});
        Path file = folder.resolve("chart.svg");
        assertThat(Picture.save(file, 300, 200, graphics -> chart.paint(graphics, 300, 200)))
                .isEmpty();
        assertThat(xml(file).getElementsByTagName("path").getLength()).isPositive();
    }

    @Test
    void anotherEndingIsRefusedWithTheTwoThatAreKnown() {
        assertThat(Picture.refusal("a.png")).isEmpty();
        assertThat(Picture.refusal("a.Svg")).isEmpty();
        assertThat(Picture.refusal("a.pdf").orElseThrow()).contains("'a.pdf'").contains(".png or .svg");
        assertThat(Picture.save(folder.resolve("a.pdf"), 10, 10, PictureTest::redSquare))
                .isPresent();
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void aPictureThatFailsIsSaidAndTheOldOneStays() throws IOException {
        Path file = Files.writeString(folder.resolve("a.png"), "old");
        assertThat(Picture.save(file, 10, 10, graphics -> {
                    throw new IOException("no ink");
                }))
                .contains("no ink");
        assertThat(file).hasContent("old");
        assertThat(Picture.save(folder.resolve("missing").resolve("a.svg"), 10, 10, PictureTest::redSquare))
                .isPresent();
    }

    @Test
    void withoutFontsOneSentenceSaysWhatIsMissing() throws Exception {
        String output = Fonts.runWithout(Drawing.class, folder);
        assertThat(output.lines())
                .hasSize(2)
                .allSatisfy(line -> assertThat(line).startsWith("no picture: Java finds no fonts here"));
        assertThat(folder).isEmptyDirectory();
    }

    /** A process that draws text and asks how wide it is, as charts do. */
    static final class Drawing {
        private Drawing() {}

        private static void paint(Graphics2D graphics) {
            graphics.drawString("text", graphics.getFontMetrics().stringWidth("text"), 20);
        }

        public static void main(String[] args) {
            for (String name : List.of("a.png", "a.svg")) {
                System.out.println("no picture: "
                        + Picture.save(Path.of(args[0], name), 50, 50, Drawing::paint)
                                .orElseThrow());
            }
        }
    }
}
