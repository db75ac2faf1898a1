package dev.rmt.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.RmtException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsWriterTest {
    @TempDir
    Path folder;

    @Test
    void whatIsWrittenIsReadBack() {
        Path path = folder.resolve("x.safetensors");
        new SafetensorsWriter()
                .metadata("format", "pt")
                .metadata("quote \" and \u00fc", "line\nbreak")
                .ints("i", new long[] {3}, new int[] {1, -2, Integer.MIN_VALUE})
                .floats("f", new long[] {2, 2}, new float[] {1, -0.0f, Float.NaN, Float.MIN_VALUE})
                .doubles("d", new long[] {}, new double[] {Math.PI})
                .floats("none", new long[] {0, 4}, new float[0])
                .write(path);
        try (Safetensors file = Safetensors.open(path)) {
            assertThat(file.metadata())
                    .containsEntry("format", "pt")
                    .containsEntry("quote \" and \u00fc", "line\nbreak");
            assertThat(file.readInts(file.get("i"))).containsExactly(1, -2, Integer.MIN_VALUE);
            assertThat(file.readFloats(file.get("f"))).containsExactly(1, -0.0f, Float.NaN, Float.MIN_VALUE);
            assertThat(file.readDoubles(file.get("d"))).containsExactly(Math.PI);
            assertThat(file.get("d").shape()).isEmpty();
            assertThat(file.get("none").shape()).containsExactly(0L, 4L);
        }
    }

    @Test
    void theBytesDependOnTheTensorsAndNotOnTheirOrder() throws IOException {
        Path one = folder.resolve("one");
        Path two = folder.resolve("two");
        new SafetensorsWriter()
                .metadata("b", "2")
                .metadata("a", "1")
                .floats("x", new long[] {1}, new float[] {1})
                .doubles("y", new long[] {1}, new double[] {2})
                .ints("w", new long[] {1}, new int[] {3})
                .write(one);
        new SafetensorsWriter()
                .ints("w", new long[] {1}, new int[] {3})
                .doubles("y", new long[] {1}, new double[] {2})
                .metadata("a", "1")
                .floats("x", new long[] {1}, (first, dst, offset, count) -> dst[offset] = 1)
                .metadata("b", "2")
                .write(two);
        assertThat(Files.readAllBytes(one)).isEqualTo(Files.readAllBytes(two));
    }

    @Test
    void dataBeginsAtAMultipleOfEightAndWideTensorsComeFirst() throws IOException {
        for (int length = 1; length <= 9; length++) {
            Path path = folder.resolve("aligned");
            new SafetensorsWriter()
                    .floats("a".repeat(length), new long[] {1}, new float[] {1})
                    .doubles("z", new long[] {1}, new double[] {2})
                    .write(path);
            long header = ByteBuffer.wrap(Files.readAllBytes(path))
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .getLong();
            assertThat(header % 8).isZero();
            try (Safetensors file = Safetensors.open(path)) {
                assertThat(file.tensors()).extracting(TensorInfo::name).containsExactly("z", "a".repeat(length));
            }
        }
    }

    @Test
    void aSourceIsAskedForEveryElementOnceAndInOrder() {
        long[] next = {0};
        long elements = 100_001;
        Path path = folder.resolve("x.safetensors");
        new SafetensorsWriter()
                .floats("x", new long[] {elements}, (first, dst, offset, count) -> {
                    assertThat(first).isEqualTo(next[0]);
                    for (int i = 0; i < count; i++) {
                        dst[offset + i] = first + i;
                    }
                    next[0] += count;
                })
                .write(path);
        assertThat(next[0]).isEqualTo(elements);
        try (Safetensors file = Safetensors.open(path)) {
            float[] values = file.readFloats(file.get("x"));
            for (int i = 0; i < values.length; i++) {
                assertThat(values[i]).isEqualTo(i);
            }
        }
    }

    @Test
    void aWriteThatFailsLeavesTheOlderFileAndNothingElse() throws IOException {
        Path path = folder.resolve("x.safetensors");
        new SafetensorsWriter().floats("x", new long[] {1}, new float[] {1}).write(path);
        byte[] older = Files.readAllBytes(path);
        SafetensorsWriter failing = new SafetensorsWriter()
                .floats("a", new long[] {50_000}, new float[50_000])
                .floats("x", new long[] {50_000}, (first, dst, offset, count) -> {
                    throw new IllegalStateException("source failed");
                });
        assertThatThrownBy(() -> failing.write(path)).hasMessage("source failed");
        assertThat(Files.readAllBytes(path)).isEqualTo(older);
        assertOnlyFile(path);
    }

    @Test
    void aFullDiskIsOneSentenceAndLeavesNothing() throws IOException {
        Path path = folder.resolve("x");
        assertThatThrownBy(() -> AtomicFiles.write(path, channel -> {
                    AtomicFiles.writeFully(channel, ByteBuffer.allocate(1000));
                    throw new IOException("No space left on device");
                }))
                .isExactlyInstanceOf(RmtException.class)
                .hasMessage("Cannot write " + path + ": No space left on device.");
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void aMissingFolderOrADirectoryInTheWayIsOneSentence() throws IOException {
        SafetensorsWriter writer = new SafetensorsWriter().floats("x", new long[] {1}, new float[] {1});
        Path absent = folder.resolve("absent").resolve("x");
        assertThatThrownBy(() -> writer.write(absent))
                .isExactlyInstanceOf(RmtException.class)
                .hasMessage("Cannot write " + absent + ": no such file or directory.");
        Path directory = Files.createDirectory(folder.resolve("directory"));
        assertThatThrownBy(() -> writer.write(directory))
                .isExactlyInstanceOf(RmtException.class)
                .hasMessageContaining("is a directory");
        assertOnlyFile(directory);
    }

    @Test
    void wrongShapesAndNamesAreRefused() {
        SafetensorsWriter writer = new SafetensorsWriter().floats("x", new long[] {1}, new float[1]);
        assertThatThrownBy(() -> writer.floats("x", new long[] {1}, new float[1]))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> writer.floats("y", new long[] {2}, new float[1]))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> writer.floats("y", new long[] {-1, -1}, new float[1]))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> writer.floats("__metadata__", new long[] {1}, new float[1]))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> writer.floats("y", new long[] {1L << 62, 4}, (first, dst, offset, count) -> {}))
                .isInstanceOf(ArithmeticException.class);
    }

    private void assertOnlyFile(Path path) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(path);
        }
    }
}
