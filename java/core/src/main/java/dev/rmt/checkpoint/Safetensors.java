package dev.rmt.checkpoint;

import static dev.rmt.checkpoint.CheckedFiles.quote;

import dev.rmt.ModelFormatException;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A safetensors file, opened and checked: eight bytes of header length, a JSON header, and data that the header covers
 * exactly. Numbers are copied out in pieces through one small buffer, so that a file of any size can be read.
 *
 * <p>Reading is safe from several threads (they take turns). Anything wrong with the file is a
 * {@link ModelFormatException} whose message names it.
 */
public final class Safetensors implements Closeable {
    private static final int LENGTH_BYTES = 8;
    /** A BERT of 100 layers needs less than 1 MiB; a longer header only serves to exhaust memory. */
    private static final int MAX_HEADER_BYTES = 16 << 20;

    private static final int BUFFER_BYTES = 1 << 16;

    private final Path file;
    private final FileChannel channel;
    private final long fileBytes;
    private final long dataStart;
    private final Map<String, String> metadata;
    private final Map<String, TensorInfo> byName = new LinkedHashMap<>();
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);

    private Safetensors(Path file, FileChannel channel, long fileBytes, long dataStart, SafetensorsHeader header) {
        this.file = file;
        this.channel = channel;
        this.fileBytes = fileBytes;
        this.dataStart = dataStart;
        this.metadata = header.metadata();
        for (TensorInfo tensor : header.tensors()) {
            byName.put(tensor.name(), tensor);
        }
    }

    /**
     * Opens a file and checks its whole header.
     *
     * @throws ModelFormatException if it is missing, not a regular file, or breaks a rule of the format
     */
    public static Safetensors open(Path file) {
        FileChannel channel = CheckedFiles.open(file);
        try {
            return open(file, channel);
        } catch (IOException e) {
            closeAfter(e, channel);
            throw CheckedFiles.unreadable(file, e);
        } catch (RuntimeException | Error e) {
            closeAfter(e, channel);
            throw e;
        }
    }

    private static Safetensors open(Path file, FileChannel channel) throws IOException {
        long fileBytes = channel.size();
        if (fileBytes < LENGTH_BYTES) {
            throw new ModelFormatException(
                    file + " has " + fileBytes + " bytes, too few for a safetensors file; copy or download it again.");
        }
        ByteBuffer length = ByteBuffer.allocate(LENGTH_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        CheckedFiles.readFully(file, channel, length, 0, fileBytes);
        long headerBytes = length.getLong(0);
        if (headerBytes <= 0 || headerBytes > MAX_HEADER_BYTES) {
            throw new ModelFormatException(file + " is not a valid safetensors file: its header length is "
                    + Long.toUnsignedString(headerBytes) + " bytes; 1 to " + MAX_HEADER_BYTES + " are allowed.");
        }
        if (headerBytes > fileBytes - LENGTH_BYTES) {
            throw new ModelFormatException(
                    file + " is not a valid safetensors file: its header length is " + headerBytes
                            + " bytes but only " + (fileBytes - LENGTH_BYTES)
                            + " follow; it may be cut short: copy or download it again.");
        }
        byte[] json = new byte[(int) headerBytes];
        CheckedFiles.readFully(file, channel, ByteBuffer.wrap(json), LENGTH_BYTES, fileBytes);
        long dataStart = LENGTH_BYTES + headerBytes;
        SafetensorsHeader header = SafetensorsHeader.parse(file, json, fileBytes - dataStart);
        return new Safetensors(file, channel, fileBytes, dataStart, header);
    }

    private static void closeAfter(Throwable cause, FileChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
    }

    /** The file as it was given to {@link #open}. */
    public Path file() {
        return file;
    }

    /** The {@code __metadata__} of the header; empty if there is none. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** All tensors, in the order of their data. */
    public List<TensorInfo> tensors() {
        return List.copyOf(byName.values());
    }

    /** The tensor of that name, or null. */
    public TensorInfo get(String name) {
        return byName.get(name);
    }

    /**
     * Copies a piece of an F32, F16, BF16 or F64 tensor into {@code dst[offset ... offset + count - 1]}, in row-major order.
     *
     * @param firstElement index of the first element of the piece
     * @throws ModelFormatException if the tensor has another type or the file has shrunk
     * @throws IllegalStateException after {@link #close}
     */
    public synchronized void read(TensorInfo tensor, long firstElement, float[] dst, int offset, int count) {
        Objects.checkFromIndexSize(offset, count, dst.length);
        checkPiece(tensor, firstElement, count);
        if (!tensor.dtype().readsAsFloat()) {
            throw wrongType(tensor, "F32, F16, BF16 or F64");
        }
        for (int done = 0; done < count; ) {
            int n = fill(tensor, firstElement + done, count - done);
            int to = offset + done;
            switch (tensor.dtype()) {
                case F32 -> buffer.asFloatBuffer().get(dst, to, n);
                case F16 -> {
                    for (int i = 0; i < n; i++) {
                        dst[to + i] = HalfFloats.fromF16(buffer.getShort(2 * i));
                    }
                }
                case BF16 -> {
                    for (int i = 0; i < n; i++) {
                        dst[to + i] = HalfFloats.fromBf16(buffer.getShort(2 * i));
                    }
                }
                default -> {
                    for (int i = 0; i < n; i++) {
                        dst[to + i] = (float) buffer.getDouble(8 * i);
                    }
                }
            }
            done += n;
        }
    }

    /** All of an F64 tensor, row-major; for a tensor that is known to fit into an array. */
    public synchronized double[] readDoubles(TensorInfo tensor) {
        double[] values = new double[elements(tensor, "F64", tensor.dtype() == DType.F64)];
        for (int done = 0; done < values.length; ) {
            int n = fill(tensor, done, values.length - done);
            buffer.asDoubleBuffer().get(values, done, n);
            done += n;
        }
        return values;
    }

    /** All of an I32 or I64 tensor, row-major; a value that does not fit into an int is a {@link ModelFormatException}. */
    public synchronized int[] readInts(TensorInfo tensor) {
        boolean wide = tensor.dtype() == DType.I64;
        int[] values = new int[elements(tensor, "I32 or I64", wide || tensor.dtype() == DType.I32)];
        for (int done = 0; done < values.length; ) {
            int n = fill(tensor, done, values.length - done);
            for (int i = 0; i < n; i++) {
                long value = wide ? buffer.getLong(8 * i) : buffer.getInt(4 * i);
                if (value != (int) value) {
                    throw new ModelFormatException("Element " + (done + i) + " of tensor " + quote(tensor.name())
                            + " of " + file + " is " + value + ", which does not fit into 32 bits.");
                }
                values[done + i] = (int) value;
            }
            done += n;
        }
        return values;
    }

    /** All of an F32, F16, BF16 or F64 tensor as floats, row-major; for a tensor that is known to fit into an array. */
    public float[] readFloats(TensorInfo tensor) {
        float[] values = new float
                [elements(tensor, "F32, F16, BF16 or F64", tensor.dtype().readsAsFloat())];
        read(tensor, 0, values, 0, values.length);
        return values;
    }

    /** Closes the file; does nothing the second time. */
    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            // The file was only read: nothing is lost, and a failing close must not hide what came before it.
        }
    }

    private int elements(TensorInfo tensor, String wanted, boolean typeFits) {
        checkPiece(tensor, 0, 0);
        if (!typeFits) {
            throw wrongType(tensor, wanted);
        }
        if (tensor.numElements() > Integer.MAX_VALUE - 8) {
            throw new ModelFormatException("Tensor " + quote(tensor.name()) + " of " + file + " has "
                    + tensor.numElements() + " elements, too many for one array.");
        }
        return (int) tensor.numElements();
    }

    private void checkPiece(TensorInfo tensor, long firstElement, int count) {
        // Looks first whether it is the same one, as it nearly always is: generated methods of records cost memory.
        if (!Objects.equals(tensor, byName.get(tensor.name()))) {
            throw new IllegalArgumentException("Tensor " + quote(tensor.name()) + " does not belong to " + file + ".");
        }
        Objects.checkFromIndexSize(firstElement, (long) count, tensor.numElements());
        if (!channel.isOpen()) {
            throw new IllegalStateException(file + " has been closed.");
        }
    }

    private ModelFormatException wrongType(TensorInfo tensor, String wanted) {
        return new ModelFormatException("Tensor " + quote(tensor.name()) + " of " + file + " is stored as "
                + tensor.dtype() + "; " + wanted + " is needed.");
    }

    /** Fills the buffer with at most {@code wanted} elements from {@code element} on; returns how many there are in it. */
    private int fill(TensorInfo tensor, long element, int wanted) {
        int size = tensor.dtype().bytes();
        int n = Math.min(wanted, BUFFER_BYTES / size);
        buffer.clear().limit(n * size);
        CheckedFiles.readFully(file, channel, buffer, dataStart + tensor.begin() + element * size, fileBytes);
        buffer.flip();
        return n;
    }
}
