package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is written is read back by a decoder of its own, which knows the format from its description only. */
class TensorBoardLogTest {
    @TempDir
    Path folder;

    record Event(double wallTime, long step, String version, Map<String, Float> scalars) {}

    private TensorBoardLog log() {
        return new TensorBoardLog(folder.resolve("tb"), 1);
    }

    private Path file() throws IOException {
        try (Stream<Path> files = Files.list(folder.resolve("tb"))) {
            List<Path> all = files.toList();
            assertThat(all).hasSize(1);
            assertThat(all.get(0).getFileName().toString()).contains("tfevents");
            return all.get(0);
        }
    }

    private List<Event> events() throws IOException {
        return decode(Files.readAllBytes(file()));
    }

    @Test
    void theChecksumOfTheDecoderIsCastagnolis() {
        assertThat(crc32c("123456789".getBytes(StandardCharsets.US_ASCII))).isEqualTo(0xE3069283);
    }

    @Test
    void theFirstEventNamesTheVersionAndOneFollowsForEachRow() throws IOException {
        double before = System.currentTimeMillis() / 1e3;
        try (TensorBoardLog log = log()) {
            CsvLogTest.train(log, 0, 4, 4);
        }
        List<Event> events = events();
        assertThat(events.get(0).version()).isEqualTo("brain.Event:2");
        assertThat(events.stream().map(Event::step)).containsExactly(0L, 1L, 2L, 3L, 4L, 4L);
        assertThat(events)
                .allMatch(event -> event.wallTime() >= before && event.wallTime() <= System.currentTimeMillis() / 1e3);
        assertThat(events.get(2).scalars())
                .containsOnlyKeys(
                        "train/memorize",
                        "train/loss",
                        "train/accuracy",
                        "train/learning_rate",
                        "train/gradient_norm",
                        "train/tokens_per_second",
                        "train/stage")
                .containsEntry("train/loss", (float) (2.0 / 3))
                .containsEntry("train/accuracy", 0.1f)
                .containsEntry("train/memorize", 0.02f)
                .containsEntry("train/stage", 1f);
        assertThat(events.get(5).scalars())
                .isEqualTo(Map.of("validation/memorize_1", 0.08f, "validation/memorize_4", (float) (4 / 60.0)));
    }

    @Test
    void whatIsNoNumberIsLeftOut() throws IOException {
        try (TensorBoardLog log = log()) {
            CsvLogTest.train(log, 0, 3, 100);
        }
        assertThat(events().get(3).scalars()).containsKey("train/loss").doesNotContainKey("train/accuracy");
    }

    @Test
    void stepsOfMoreThanOneByteAreWrittenWhole() throws IOException {
        try (TensorBoardLog log = log()) {
            log.stageStarted(CsvLogTest.progress(0));
            log.stepTaken(CsvLogTest.progress(127));
            log.stepTaken(CsvLogTest.progress(128));
            log.stepTaken(CsvLogTest.progress(1_000_000));
        }
        assertThat(events().stream().map(Event::step)).containsExactly(0L, 127L, 128L, 1_000_000L);
    }

    @Test
    void aRunThatGoesOnRepeatsNoStep() throws IOException {
        try (TensorBoardLog log = log()) {
            CsvLogTest.train(log, 0, 17, 5);
        }
        byte[] before = Files.readAllBytes(file());
        Files.write(file(), new byte[] {30, 0, 0, 0, 0}, StandardOpenOption.APPEND);
        try (TensorBoardLog log = log()) {
            CsvLogTest.train(log, 8, 20, 5);
        }
        long[] steps = events().stream().mapToLong(Event::step).toArray();
        long[] wanted = IntStream.rangeClosed(0, 20)
                .flatMap(step -> step > 0 && step % 5 == 0 ? IntStream.of(step, step) : IntStream.of(step))
                .asLongStream()
                .toArray();
        assertThat(steps).isEqualTo(wanted);
        // What was written up to the checkpoint is left as it is.
        int kept = sizeOf(events().subList(0, 10), before);
        assertThat(Arrays.copyOf(Files.readAllBytes(file()), kept)).isEqualTo(Arrays.copyOf(before, kept));
    }

    @Test
    void aRecordThatWasCutAnywhereIsDropped() throws IOException {
        try (TensorBoardLog log = log()) {
            CsvLogTest.train(log, 0, 3, 100);
        }
        byte[] whole = Files.readAllBytes(file());
        int third = sizeOf(events().subList(0, 3), whole);
        for (int length = third; length < whole.length; length++) {
            Files.write(file(), Arrays.copyOf(whole, length));
            try (TensorBoardLog log = log()) {
                CsvLogTest.train(log, 2, 3, 100);
            }
            assertThat(events().stream().map(Event::step)).containsExactly(0L, 1L, 2L, 3L);
        }
    }

    @Test
    void aRunFromTheBeginningStartsANewFile() throws IOException {
        for (int i = 0; i < 2; i++) {
            try (TensorBoardLog log = log()) {
                CsvLogTest.train(log, 0, 2, 100);
            }
        }
        assertThat(events().stream().map(Event::step)).containsExactly(0L, 1L, 2L);
    }

    @Test
    void aFileThatHoldsNoEventsIsRefusedAndNamedWhenARunGoesOn() throws IOException {
        try (TensorBoardLog log = log()) {
            CsvLogTest.train(log, 0, 2, 100);
        }
        byte[] bytes = Files.readAllBytes(file());
        bytes[20] ^= 1;
        Files.write(file(), bytes);
        try (TensorBoardLog log = log()) {
            assertThatThrownBy(() -> log.stageStarted(CsvLogTest.progress(2)))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("tfevents")
                    .hasMessageContaining("checksum");
        }
        assertThat(file()).hasBinaryContent(bytes);
    }

    private static int sizeOf(List<Event> events, byte[] file) {
        int at = 0;
        for (int i = 0; i < events.size(); i++) {
            at += 16
                    + (int) ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong(at);
        }
        return at;
    }

    private static List<Event> decode(byte[] file) {
        List<Event> events = new ArrayList<>();
        ByteBuffer in = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        while (in.hasRemaining()) {
            byte[] length = new byte[8];
            in.get(length);
            assertThat(in.getInt()).as("checksum of a length").isEqualTo(masked(length));
            byte[] data = new byte
                    [(int) ByteBuffer.wrap(length)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .getLong()];
            in.get(data);
            assertThat(in.getInt()).as("checksum of an event").isEqualTo(masked(data));
            events.add(event(ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN)));
        }
        return events;
    }

    private static Event event(ByteBuffer in) {
        double wallTime = Double.NaN;
        long step = 0;
        String version = null;
        Map<String, Float> scalars = new LinkedHashMap<>();
        while (in.hasRemaining()) {
            int tag = (int) varint(in);
            switch (tag) {
                case 0x09 -> wallTime = in.getDouble();
                case 0x10 -> step = varint(in);
                case 0x1a -> version = text(bytes(in));
                case 0x2a -> summary(bytes(in), scalars);
                default -> throw new AssertionError("unknown field of an event: " + tag);
            }
        }
        return new Event(wallTime, step, version, scalars);
    }

    private static void summary(ByteBuffer in, Map<String, Float> scalars) {
        while (in.hasRemaining()) {
            assertThat(varint(in)).isEqualTo(0x0a);
            ByteBuffer value = bytes(in);
            String tag = null;
            Float scalar = null;
            while (value.hasRemaining()) {
                int field = (int) varint(value);
                switch (field) {
                    case 0x0a -> tag = text(bytes(value));
                    case 0x15 -> scalar = value.getFloat();
                    default -> throw new AssertionError("unknown field of a value: " + field);
                }
            }
            assertThat(scalars.put(tag, scalar))
                    .as("twice in one event: " + tag)
                    .isNull();
        }
    }

    private static long varint(ByteBuffer in) {
        long value = 0;
        for (int shift = 0; ; shift += 7) {
            byte next = in.get();
            value |= (next & 0x7fL) << shift;
            if (next >= 0) {
                return value;
            }
        }
    }

    private static ByteBuffer bytes(ByteBuffer in) {
        byte[] bytes = new byte[(int) varint(in)];
        in.get(bytes);
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static String text(ByteBuffer in) {
        return StandardCharsets.UTF_8.decode(in).toString();
    }

    private static int masked(byte[] data) {
        int crc = crc32c(data);
        return ((crc >>> 15) | (crc << 17)) + 0xa282ead8;
    }

    /** Bit by bit, from the polynomial 0x1EDC6F41 (reflected). */
    private static int crc32c(byte[] data) {
        int crc = -1;
        for (byte b : data) {
            crc ^= b & 0xff;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc & 1) != 0 ? (crc >>> 1) ^ 0x82F63B78 : crc >>> 1;
            }
        }
        return ~crc;
    }
}
