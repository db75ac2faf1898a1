package dev.rmt.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.rmt.RmtException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes a safetensors file: collect tensors, then {@link #write}. The same tensors give the same bytes, in whatever order
 * they were added. Numbers are streamed through a small buffer. The file appears whole or not at all.
 */
public final class SafetensorsWriter {
    private static final int BUFFER_BYTES = 1 << 16;
    private static final int ALIGNMENT = 8;

    private record Entry(String name, DType dtype, List<Long> shape, long elements, Filler filler) {
        long bytes() {
            return elements * dtype.bytes();
        }
    }

    /** Puts {@code count} elements from {@code firstElement} on into an empty buffer. */
    private interface Filler {
        void fill(ByteBuffer buffer, long firstElement, int count);
    }

    private final Map<String, String> metadata = new TreeMap<>();
    private final Map<String, Entry> entries = new TreeMap<>();
    private final float[] piece = new float[BUFFER_BYTES / Float.BYTES];

    /** Adds a string to the file's metadata, or replaces it. */
    public SafetensorsWriter metadata(String key, String value) {
        metadata.put(key, value);
        return this;
    }

    /** Adds an F32 tensor; {@code source} is asked for its elements, in order, when the file is written. */
    public SafetensorsWriter floats(String name, long[] shape, FloatSource source) {
        return add(name, DType.F32, shape, (buffer, first, count) -> {
            source.read(first, piece, 0, count);
            buffer.asFloatBuffer().put(piece, 0, count);
        });
    }

    /** Adds an F32 tensor; the array is not copied and must hold exactly the elements of the shape, row-major. */
    public SafetensorsWriter floats(String name, long[] shape, float[] values) {
        checkLength(name, shape, values.length);
        return add(
                name,
                DType.F32,
                shape,
                (buffer, first, count) -> buffer.asFloatBuffer().put(values, (int) first, count));
    }

    /** Adds an F64 tensor; the array is not copied. */
    public SafetensorsWriter doubles(String name, long[] shape, double[] values) {
        checkLength(name, shape, values.length);
        return add(
                name,
                DType.F64,
                shape,
                (buffer, first, count) -> buffer.asDoubleBuffer().put(values, (int) first, count));
    }

    /** Adds an I32 tensor; the array is not copied. */
    public SafetensorsWriter ints(String name, long[] shape, int[] values) {
        checkLength(name, shape, values.length);
        return add(
                name,
                DType.I32,
                shape,
                (buffer, first, count) -> buffer.asIntBuffer().put(values, (int) first, count));
    }

    /**
     * Writes the file, forces it to the disk and only then gives it its name, replacing a file that has it already.
     *
     * @throws RmtException if it cannot be written; nothing is left behind and an older file stays as it was
     */
    public void write(Path file) {
        AtomicFiles.write(file, this::writeTo);
    }

    /** Writes a new file in place, for a folder that is itself written under a temporary name. */
    public void writeInPlace(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            writeTo(channel);
        }
    }

    private SafetensorsWriter add(String name, DType dtype, long[] shape, Filler filler) {
        if (name.equals("__metadata__")) {
            throw new IllegalArgumentException("A tensor cannot be called __metadata__.");
        }
        Entry entry = new Entry(name, dtype, Arrays.stream(shape).boxed().toList(), product(name, shape), filler);
        if (entries.putIfAbsent(name, entry) != null) {
            throw new IllegalArgumentException("There are two tensors \"" + name + "\".");
        }
        return this;
    }

    private static void checkLength(String name, long[] shape, int length) {
        if (product(name, shape) != length) {
            throw new IllegalArgumentException(
                    "Tensor \"" + name + "\" has the shape " + Arrays.toString(shape) + " but " + length + " values.");
        }
    }

    private static long product(String name, long[] shape) {
        long elements = 1;
        for (long dimension : shape) {
            if (dimension < 0) {
                throw new IllegalArgumentException(
                        "Tensor \"" + name + "\" has the shape " + Arrays.toString(shape) + ".");
            }
            elements = Math.multiplyExact(elements, dimension);
        }
        return elements;
    }

    private void writeTo(FileChannel channel) throws IOException {
        // Widest elements first: every tensor is then aligned to its own element size.
        List<Entry> ordered = new ArrayList<>(entries.values());
        ordered.sort(Comparator.comparingInt((Entry entry) -> -entry.dtype().bytes()));
        AtomicFiles.writeFully(channel, header(ordered));
        ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (Entry entry : ordered) {
            int size = entry.dtype().bytes();
            for (long done = 0; done < entry.elements(); ) {
                int count = (int) Math.min(entry.elements() - done, BUFFER_BYTES / size);
                buffer.clear();
                entry.filler().fill(buffer, done, count);
                AtomicFiles.writeFully(channel, buffer.limit(count * size));
                done += count;
            }
        }
    }

    /** Length and JSON, padded with blanks so that the data begins at a multiple of eight. */
    private ByteBuffer header(List<Entry> ordered) throws IOException {
        ByteArrayOutputStream json = new ByteArrayOutputStream();
        try (JsonGenerator generator = new JsonFactory().createGenerator(json)) {
            generator.writeStartObject();
            if (!metadata.isEmpty()) {
                generator.writeObjectFieldStart("__metadata__");
                for (Map.Entry<String, String> pair : metadata.entrySet()) {
                    generator.writeStringField(pair.getKey(), pair.getValue());
                }
                generator.writeEndObject();
            }
            long begin = 0;
            for (Entry entry : ordered) {
                generator.writeObjectFieldStart(entry.name());
                generator.writeStringField("dtype", entry.dtype().name());
                generator.writeFieldName("shape");
                long[] shape = entry.shape().stream().mapToLong(Long::longValue).toArray();
                generator.writeArray(shape, 0, shape.length);
                generator.writeFieldName("data_offsets");
                long end = Math.addExact(begin, entry.bytes());
                generator.writeArray(new long[] {begin, end}, 0, 2);
                generator.writeEndObject();
                begin = end;
            }
            generator.writeEndObject();
        }
        while (json.size() % ALIGNMENT != 0) {
            json.write(' ');
        }
        ByteBuffer header = ByteBuffer.allocate(Long.BYTES + json.size()).order(ByteOrder.LITTLE_ENDIAN);
        return header.putLong(json.size()).put(json.toByteArray()).flip();
    }
}
