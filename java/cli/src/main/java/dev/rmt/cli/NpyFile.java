package dev.rmt.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * Writes an array of floats as NumPy reads it (format version 1.0, {@code <f4}, C order), piece by piece: none is on the heap as a
 * whole.
 */
final class NpyFile implements AutoCloseable {
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    private static final int ALIGNMENT = 64;

    private final Path file;
    private final OutputStream out;
    private final long elements;
    private long written;

    /** Starts a file with the header of an array of this shape. */
    NpyFile(Path file, long... shape) throws IOException {
        this.file = file;
        elements = Arrays.stream(shape).reduce(1, Math::multiplyExact);
        out = Files.newOutputStream(file);
        try {
            out.write(header(shape));
        } catch (IOException e) {
            out.close();
            throw e;
        }
    }

    private static byte[] header(long[] shape) {
        String sizes = Arrays.stream(shape).mapToObj(Long::toString).collect(Collectors.joining(", "));
        String text = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + sizes + (shape.length == 1 ? ",)" : ")")
                + ", }";
        int used = MAGIC.length + Short.BYTES + text.length() + 1;
        String padded = text + " ".repeat((ALIGNMENT - used % ALIGNMENT) % ALIGNMENT) + "\n";
        return ByteBuffer.allocate(MAGIC.length + Short.BYTES + padded.length())
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(MAGIC)
                .putShort((short) padded.length())
                .put(padded.getBytes(StandardCharsets.US_ASCII))
                .array();
    }

    /** The next elements in C order. */
    void write(float[] values) throws IOException {
        written += values.length;
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        out.write(bytes.array());
    }

    /** @throws IOException if the file cannot be written, or elements are missing or too many */
    @Override
    public void close() throws IOException {
        out.close();
        if (written != elements) {
            throw new IOException(file + " has " + written + " of the " + elements + " elements of its shape");
        }
    }
}
