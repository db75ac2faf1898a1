package dev.rmt.checkpoint;

import static dev.rmt.checkpoint.RawSafetensors.tensor;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.rmt.ModelFormatException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsTest {
    @TempDir
    Path folder;

    @Test
    void tensorsAndMetadataAreListedAsTheHeaderSays() {
        String header = "{\"__metadata__\":{\"format\":\"pt\",\"note\":\"\\u00fc\\n\"},"
                + tensor("b", "F32", "[2,1]", "[2,10]") + "," + tensor("a", "BF16", "[]", "[0,2]") + "}  \n";
        try (Safetensors file = Safetensors.open(RawSafetensors.write(folder, RawSafetensors.file(header, 10)))) {
            assertThat(file.metadata()).containsExactlyInAnyOrderEntriesOf(Map.of("format", "pt", "note", "\u00fc\n"));
            assertThat(file.tensors())
                    .containsExactly(
                            new TensorInfo("a", DType.BF16, List.of(), 0, 2),
                            new TensorInfo("b", DType.F32, List.of(2L, 1L), 2, 10));
            assertThat(file.get("b").numElements()).isEqualTo(2);
            assertThat(file.get("c")).isNull();
        }
    }

    @Test
    void aFileWithoutTensorsAndAnEmptyTensorAreAllowed() {
        try (Safetensors file = Safetensors.open(RawSafetensors.write(folder, RawSafetensors.file("{}", 0)))) {
            assertThat(file.tensors()).isEmpty();
        }
        String header =
                "{" + tensor("none", "F32", "[0,7]", "[8,8]") + "," + tensor("two", "F32", "[2]", "[0,8]") + "}";
        try (Safetensors file = Safetensors.open(RawSafetensors.write(folder, RawSafetensors.file(header, 8)))) {
            assertThat(file.readFloats(file.get("none"))).isEmpty();
        }
    }

    @Test
    void everyFloatTypeIsReadAsFloat() {
        String header = "{" + tensor("f64", "F64", "[3]", "[0,24]") + "," + tensor("f32", "F32", "[3]", "[24,36]") + ","
                + tensor("f16", "F16", "[3]", "[36,42]") + "," + tensor("bf16", "BF16", "[3]", "[42,48]") + "}";
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer data = ByteBuffer.allocate(48).order(ByteOrder.LITTLE_ENDIAN);
        data.putDouble(1.5).putDouble(-0.1).putDouble(1e300);
        data.putFloat(1.5f).putFloat(-0.1f).putFloat(Float.MIN_VALUE);
        data.putShort((short) 0x3e00).putShort((short) 0xc000).putShort((short) 0x0001);
        data.putShort((short) 0x3fc0).putShort((short) 0xc000).putShort((short) 0x7f80);
        Path path = RawSafetensors.write(folder, RawSafetensors.file(json.length, json, data.array()));
        try (Safetensors file = Safetensors.open(path)) {
            assertThat(file.readFloats(file.get("f64"))).containsExactly(1.5f, -0.1f, Float.POSITIVE_INFINITY);
            assertThat(file.readFloats(file.get("f32"))).containsExactly(1.5f, -0.1f, Float.MIN_VALUE);
            assertThat(file.readFloats(file.get("f16"))).containsExactly(1.5f, -2f, 0x1p-24f);
            assertThat(file.readFloats(file.get("bf16"))).containsExactly(1.5f, -2f, Float.POSITIVE_INFINITY);
            assertThat(file.readDoubles(file.get("f64"))).containsExactly(1.5, -0.1, 1e300);
        }
    }

    @Test
    void integersAreReadAndThoseThatDoNotFitAreRefused() {
        String header = "{" + tensor("i64", "I64", "[2]", "[0,16]") + "," + tensor("wide", "I64", "[1]", "[16,24]")
                + "," + tensor("i32", "I32", "[1]", "[24,28]") + "}";
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer data = ByteBuffer.allocate(28).order(ByteOrder.LITTLE_ENDIAN);
        data.putLong(-7).putLong(Integer.MAX_VALUE).putLong(1L << 31).putInt(Integer.MIN_VALUE);
        Path path = RawSafetensors.write(folder, RawSafetensors.file(json.length, json, data.array()));
        try (Safetensors file = Safetensors.open(path)) {
            assertThat(file.readInts(file.get("i64"))).containsExactly(-7, Integer.MAX_VALUE);
            assertThat(file.readInts(file.get("i32"))).containsExactly(Integer.MIN_VALUE);
            assertThatThrownBy(() -> file.readInts(file.get("wide")))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining("2147483648");
            assertThatThrownBy(() -> file.readFloats(file.get("i32")))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining("I32");
            assertThatThrownBy(() -> file.readDoubles(file.get("i32"))).isInstanceOf(ModelFormatException.class);
        }
    }

    @Test
    void piecesOfAnySizeGiveTheSameValuesAsTheWhole() {
        Random random = new Random(1);
        float[] values = new float[40_003];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextFloat();
        }
        Path path = folder.resolve("large.safetensors");
        new SafetensorsWriter().floats("x", new long[] {values.length}, values).write(path);
        try (Safetensors file = Safetensors.open(path)) {
            TensorInfo tensor = file.get("x");
            assertThat(file.readFloats(tensor)).containsExactly(values);
            for (int size : new int[] {7, 127, 16_383, 16_384, 16_385, 40_002}) {
                // One element free on either side shows a write beside the piece.
                float[] read = new float[values.length + 2];
                for (int at = 0; at < values.length; at += size) {
                    file.read(tensor, at, read, at + 1, Math.min(size, values.length - at));
                }
                assertThat(Arrays.copyOfRange(read, 1, values.length + 1)).containsExactly(values);
                assertThat(new float[] {read[0], read[values.length + 1]}).containsExactly(0, 0);
            }
        }
    }

    @Test
    void aPieceOutsideTheTensorOrTheArrayIsRefused() {
        Path path = folder.resolve("x.safetensors");
        new SafetensorsWriter()
                .floats("x", new long[] {4}, new float[4])
                .floats("y", new long[] {4}, new float[4])
                .write(path);
        try (Safetensors file = Safetensors.open(path)) {
            TensorInfo tensor = file.get("x");
            float[] dst = new float[4];
            assertThatThrownBy(() -> file.read(tensor, 1, dst, 0, 4)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> file.read(tensor, -1, dst, 0, 1)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> file.read(tensor, Long.MAX_VALUE, dst, 0, 1))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> file.read(tensor, 0, dst, 1, 4)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> file.read(tensor, 0, dst, 0, -1)).isInstanceOf(IndexOutOfBoundsException.class);
            TensorInfo foreign = new TensorInfo("x", DType.F32, List.of(1_000L), 0, 4_000);
            assertThatThrownBy(() -> file.read(foreign, 0, dst, 0, 4)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void useAfterCloseIsAnIllegalStateAndClosingTwiceIsNothing() {
        Path path = folder.resolve("x.safetensors");
        new SafetensorsWriter().floats("x", new long[] {4}, new float[4]).write(path);
        Safetensors file = Safetensors.open(path);
        file.close();
        file.close();
        assertThatThrownBy(() -> file.readFloats(file.get("x"))).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void aFileThatShrinksWhileItIsReadIsAClearError() throws IOException {
        Path path = folder.resolve("x.safetensors");
        new SafetensorsWriter()
                .floats("x", new long[] {40_000}, new float[40_000])
                .write(path);
        long size = Files.size(path);
        try (Safetensors file = Safetensors.open(path)) {
            try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
                channel.truncate(70_000);
            }
            assertThatThrownBy(() -> file.readFloats(file.get("x")))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining(path.toString())
                    .hasMessageContaining(Long.toString(size))
                    .hasMessageContaining("70000");
        }
    }

    @Test
    void whatIsNotARegularFileIsRefusedBeforeItIsOpened() throws Exception {
        assertThatThrownBy(() -> Safetensors.open(folder))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("is a directory");
        assertThatThrownBy(() -> Safetensors.open(folder.resolve("absent")))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("no such file");
        Path zero = Path.of("/dev/zero");
        assumeTrue(Files.exists(zero), "no device files on this system");
        assertThatThrownBy(() -> Safetensors.open(zero))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("pipe or a device");
        Path pipe = folder.resolve("pipe");
        Process process = new ProcessBuilder("mkfifo", pipe.toString()).start();
        assumeTrue(process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0, "no mkfifo on this system");
        // Opening it would wait for a writer that never comes.
        assertTimeoutPreemptively(
                Duration.ofSeconds(5),
                () -> assertThatThrownBy(() -> Safetensors.open(pipe))
                        .isInstanceOf(ModelFormatException.class)
                        .hasMessageContaining("pipe or a device"));
    }

    @Test
    void aLinkThatTheUserNamesIsFollowed() throws IOException {
        Path path = folder.resolve("x.safetensors");
        new SafetensorsWriter().floats("x", new long[] {1}, new float[] {5}).write(path);
        Path link = Files.createSymbolicLink(folder.resolve("link"), path);
        try (Safetensors file = Safetensors.open(link)) {
            assertThat(file.readFloats(file.get("x"))).containsExactly(5);
        }
    }

    @Test
    void aHeaderWithTheMostTensorsAllowedOpens() {
        StringBuilder header = new StringBuilder("{");
        for (int i = 0; i < 100_000; i++) {
            header.append(i == 0 ? "" : ",").append(tensor("t" + i, "U8", "[1]", "[" + i + "," + (i + 1) + "]"));
        }
        Path path = RawSafetensors.write(
                folder, RawSafetensors.file(header.append('}').toString(), 100_000));
        assertTimeoutPreemptively(Duration.ofSeconds(5), () -> {
            try (Safetensors file = Safetensors.open(path)) {
                assertThat(file.tensors()).hasSize(100_000);
            }
        });
    }

    @Test
    void theValueOfEveryHalfPrecisionNumberIsExact() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            int exponent = (bits >> 10) & 0x1f;
            double fraction = (bits & 0x3ff) / 1024.0;
            double magnitude = exponent == 0x1f
                    ? (fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN)
                    : exponent == 0 ? fraction * 0x1p-14 : (1 + fraction) * Math.pow(2, exponent - 15);
            float expected = (float) ((bits & 0x8000) == 0 ? magnitude : -magnitude);
            assertThat(HalfFloats.fromF16((short) bits)).as("%04x", bits).isEqualTo(Float.valueOf(expected));
            assertThat(HalfFloats.fromBf16((short) bits))
                    .as("%04x", bits)
                    .isEqualTo(Float.valueOf(Float.intBitsToFloat(bits << 16)));
        }
    }
}
