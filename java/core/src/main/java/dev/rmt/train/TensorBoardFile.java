package dev.rmt.train;

import dev.rmt.InputException;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * A file of TensorBoard events: records of {@code length (8 bytes, little endian), CRC of the length (4), data, CRC of the data
 * (4)}, where CRC is a masked CRC-32C and data a protocol buffer
 * {@code Event {1: double wall_time; 2: int64 step; 3: string file_version | 5: Summary}} with
 * {@code Summary {1: repeated Value {1: string tag; 2: float simple_value}}}.
 */
final class TensorBoardFile implements AutoCloseable {
    private static final int HEADER_BYTES = 12;
    private static final int FOOTER_BYTES = 4;
    private static final int MOST_DATA_BYTES = 1 << 24;
    private static final String VERSION = "brain.Event:2";

    // Tags of protocol buffers: field number << 3 | wire type (0 varint, 1 eight bytes, 2 length and bytes, 5 four
    // bytes).
    private static final int WALL_TIME = 1 << 3 | 1;
    private static final int STEP = 2 << 3;
    private static final int FILE_VERSION = 3 << 3 | 2;
    private static final int SUMMARY = 5 << 3 | 2;
    private static final int VALUE = 1 << 3 | 2;
    private static final int TAG = 1 << 3 | 2;
    private static final int SIMPLE_VALUE = 2 << 3 | 5;

    private final FileChannel channel;

    private TensorBoardFile(FileChannel channel) {
        this.channel = channel;
    }

    /**
     * Opens a file, made if need be, and cuts it before the first event of a step after {@code lastStep}, or before a record
     * that a process did not live to finish.
     *
     * @throws InputException if it is no file of events
     */
    static TensorBoardFile open(Path path, long lastStep) throws IOException {
        FileChannel channel =
                FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            long end = lastStep > 0 ? endOf(channel, path, lastStep) : 0;
            channel.truncate(end);
            channel.position(end);
            TensorBoardFile file = new TensorBoardFile(channel);
            if (end == 0) {
                ByteArrayOutputStream version = event(System.currentTimeMillis() / 1e3, 0);
                putBytes(version, FILE_VERSION, VERSION.getBytes(StandardCharsets.UTF_8));
                file.append(version.toByteArray());
            }
            return file;
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** Appends one event with all these scalars; those that are no number are left out. */
    void write(double wallTimeSeconds, long step, Map<String, Double> scalars) throws IOException {
        ByteArrayOutputStream summary = new ByteArrayOutputStream();
        scalars.forEach((tag, scalar) -> {
            if (!scalar.isNaN()) {
                ByteArrayOutputStream value = new ByteArrayOutputStream();
                putBytes(value, TAG, tag.getBytes(StandardCharsets.UTF_8));
                value.write(SIMPLE_VALUE);
                value.writeBytes(littleEndian(4).putFloat(scalar.floatValue()).array());
                putBytes(summary, VALUE, value.toByteArray());
            }
        });
        ByteArrayOutputStream event = event(wallTimeSeconds, step);
        putBytes(event, SUMMARY, summary.toByteArray());
        append(event.toByteArray());
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    private static ByteArrayOutputStream event(double wallTimeSeconds, long step) {
        ByteArrayOutputStream event = new ByteArrayOutputStream();
        event.write(WALL_TIME);
        event.writeBytes(littleEndian(8).putDouble(wallTimeSeconds).array());
        event.write(STEP);
        putVarint(event, step);
        return event;
    }

    private static void putBytes(ByteArrayOutputStream out, int tag, byte[] bytes) {
        out.write(tag);
        putVarint(out, bytes.length);
        out.writeBytes(bytes);
    }

    private static void putVarint(ByteArrayOutputStream out, long value) {
        long rest = value;
        while ((rest & ~0x7fL) != 0) {
            out.write((int) (rest & 0x7f | 0x80));
            rest >>>= 7;
        }
        out.write((int) rest);
    }

    private void append(byte[] data) throws IOException {
        byte[] length = littleEndian(8).putLong(data.length).array();
        ByteBuffer record = littleEndian(HEADER_BYTES + data.length + FOOTER_BYTES)
                .put(length)
                .putInt(maskedCrc(length))
                .put(data)
                .putInt(maskedCrc(data))
                .flip();
        while (record.hasRemaining()) {
            channel.write(record);
        }
    }

    /** Where the first record begins that is of a later step, or not whole; where there is none, the end of the file. */
    private static long endOf(FileChannel channel, Path path, long lastStep) throws IOException {
        long at = 0;
        while (at < channel.size()) {
            byte[] data;
            try {
                data = record(channel, at);
            } catch (EOFException e) {
                return at;
            }
            if (data == null) {
                throw new InputException(path + " is not a file of TensorBoard events: the checksum at byte " + at
                        + " is wrong; move it away, and the run can go on.");
            }
            if (stepOf(data) > lastStep) {
                return at;
            }
            at += HEADER_BYTES + data.length + FOOTER_BYTES;
        }
        return at;
    }

    /** The data of the record at a place; null: there is none. */
    private static byte[] record(FileChannel channel, long at) throws IOException {
        ByteBuffer header = read(channel, at, HEADER_BYTES);
        long length = header.getLong(0);
        if (header.getInt(8) != maskedCrc(Arrays.copyOf(header.array(), 8)) || length < 0 || length > MOST_DATA_BYTES) {
            return null;
        }
        byte[] data = read(channel, at + HEADER_BYTES, (int) length).array();
        int crc = read(channel, at + HEADER_BYTES + length, FOOTER_BYTES).getInt(0);
        return crc == maskedCrc(data) ? data : null;
    }

    private static ByteBuffer read(FileChannel channel, long at, int bytes) throws IOException {
        ByteBuffer buffer = littleEndian(bytes);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, at + buffer.position()) < 0) {
                throw new EOFException();
            }
        }
        return buffer.flip();
    }

    /** The step of an event as {@link #event} writes it: after the wall time. */
    private static long stepOf(byte[] event) {
        int at = 1 + 8;
        if (event.length <= at || event[at] != STEP) {
            return 0;
        }
        long step = 0;
        for (int shift = 0; shift < 64 && ++at < event.length; shift += 7) {
            step |= (event[at] & 0x7fL) << shift;
            if (event[at] >= 0) {
                break;
            }
        }
        return step;
    }

    /** CRC-32C, rotated and shifted by a constant: a CRC of data that hold CRCs would be weak. */
    private static int maskedCrc(byte[] data) {
        CRC32C crc = new CRC32C();
        crc.update(data);
        return Integer.rotateRight((int) crc.getValue(), 15) + 0xa282ead8;
    }

    private static ByteBuffer littleEndian(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
