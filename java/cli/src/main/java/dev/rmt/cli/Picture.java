package dev.rmt.cli;

import dev.rmt.RmtException;
import java.awt.Color;
import java.awt.Dimension;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.apache.batik.svggen.SVGGraphics2D;
import org.w3c.dom.Document;

/** Pictures that commands write: PNG or SVG by the name of the file, on white, replaced as a whole. */
final class Picture {
    private static final String SVG_NAMESPACE = "http://www.w3.org/2000/svg";

    private Picture() {}

    /** Draws within (0, 0) and the size of the picture. No images: SVG is made of shapes and text only. */
    @FunctionalInterface
    interface Painter {
        void paint(Graphics2D graphics) throws IOException;
    }

    /** By the end of a file's name. */
    enum Format {
        PNG,
        SVG;

        private static Optional<Format> of(Path file) {
            String name = String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT);
            return name.endsWith(".png")
                    ? Optional.of(PNG)
                    : name.endsWith(".svg") ? Optional.of(SVG) : Optional.empty();
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Why a file cannot be a picture by its name, with a full stop; empty: it can. */
    static Optional<String> refusal(String file) {
        return Format.of(Path.of(file)).isPresent()
                ? Optional.empty()
                : Optional.of("'" + file + "' does not end in .png or .svg; one of them says what is drawn.");
    }

    /**
     * Draws a picture into a file. A machine that cannot draw, for want of fonts say, is no reason to lose a result: what was
     * computed is printed and saved before, and this throws nothing.
     *
     * @param file ends in .png or .svg; its old content stays where there is no new picture
     * @param width in pixels
     * @param height in pixels
     * @return why there is no picture, to stand after a colon, without a full stop; empty: there is one
     */
    static Optional<String> save(Path file, int width, int height, Painter painter) {
        try {
            Format format =
                    Format.of(file).orElseThrow(() -> new IOException(file + " ends neither in .png nor in .svg"));
            OutputFile.write(file, format == Format.PNG ? png(width, height, painter) : svg(width, height, painter));
            return Optional.empty();
        } catch (IOException | RuntimeException | Error e) {
            // Error too: the JDK throws a bare one where there is no font.
            return Optional.of(reason(e));
        }
    }

    /**
     * Draws the picture that a command was asked for, when its results have been printed and saved.
     *
     * @param option named in the message, "--plot"
     * @throws UnusableFileException if the file cannot be written
     * @throws RmtException if this machine cannot draw it
     */
    static void saveOrFail(String option, Path file, int width, int height, Painter painter) {
        OutputFile.requireWritable(option, file);
        save(file, width, height, painter).ifPresent(reason -> {
            throw new RmtException(option + " " + file + " could not be drawn: " + reason + ".");
        });
    }

    private static String reason(Throwable failure) {
        if (failure instanceof OutOfMemoryError) {
            return "the Java heap is too small for it";
        }
        if (!canDrawText()) {
            return "Java finds no fonts here; apt-get install fontconfig fonts-dejavu-core brings some";
        }
        return failure instanceof IOException && failure.getMessage() != null
                ? failure.getMessage()
                : failure.toString();
    }

    private static boolean canDrawText() {
        try {
            Graphics2D graphics = new BufferedImage(1, 1, BufferedImage.TYPE_INT_RGB).createGraphics();
            graphics.getFontMetrics().stringWidth("text");
            graphics.dispose();
            return true;
        } catch (RuntimeException | Error e) {
            return false;
        }
    }

    private static byte[] png(int width, int height, Painter painter) throws IOException {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        try {
            paint(graphics, width, height, painter);
        } finally {
            graphics.dispose();
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(image, "png", bytes);
        return bytes.toByteArray();
    }

    private static byte[] svg(int width, int height, Painter painter) throws IOException {
        SVGGraphics2D graphics = new SVGGraphics2D(emptySvg());
        graphics.setSVGCanvasSize(new Dimension(width, height));
        paint(graphics, width, height, painter);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (Writer writer = new OutputStreamWriter(bytes, StandardCharsets.UTF_8)) {
            graphics.stream(writer, true);
        }
        return bytes.toByteArray();
    }

    private static Document emptySvg() throws IOException {
        try {
            return DocumentBuilderFactory.newDefaultNSInstance()
                    .newDocumentBuilder()
                    .getDOMImplementation()
                    .createDocument(SVG_NAMESPACE, "svg", null);
        } catch (ParserConfigurationException e) {
            throw new IOException("the XML library of this JDK cannot be used: " + e.getMessage(), e);
        }
    }

    private static void paint(Graphics2D graphics, int width, int height, Painter painter) throws IOException {
        graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
        graphics.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
        graphics.setColor(Color.WHITE);
        graphics.fillRect(0, 0, width, height);
        painter.paint(graphics);
    }
}
