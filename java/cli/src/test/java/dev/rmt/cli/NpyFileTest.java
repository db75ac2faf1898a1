package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NpyFileTest {
    @TempDir
    Path folder;

    /** The array of a file, after a look at its header. */
    static float[] read(Path file, String shape) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        byte[] magic = new byte[8];
        bytes.get(magic);
        assertThat(magic).containsExactly(0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0);
        byte[] header = new byte[bytes.getShort()];
        bytes.get(header);
        assertThat(bytes.position() % 64).isZero();
        assertThat(new String(header, StandardCharsets.US_ASCII))
                .startsWith("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }")
                .endsWith("\n");
        float[] values = new float[bytes.remaining() / Float.BYTES];
        bytes.asFloatBuffer().get(values);
        return values;
    }

    @Test
    void anArrayIsReadBackAsItWasWrittenInPieces() throws IOException {
        Path file = folder.resolve("a.npy");
        try (NpyFile npy = new NpyFile(file, 2, 1, 3)) {
            npy.write(new float[] {1, -2.5f});
            npy.write(new float[] {Float.MIN_VALUE, 4, 5, 1e30f});
        }
        assertThat(read(file, "(2, 1, 3)")).containsExactly(1, -2.5f, Float.MIN_VALUE, 4, 5, 1e30f);
    }

    @Test
    void oneDimensionHasTheCommaOfATuple() throws IOException {
        Path file = folder.resolve("a.npy");
        try (NpyFile npy = new NpyFile(file, 2)) {
            npy.write(new float[] {1, 2});
        }
        assertThat(read(file, "(2,)")).containsExactly(1, 2);
    }

    @Test
    void aFileWithElementsMissingOrTooManyIsAnError() throws IOException {
        Path file = folder.resolve("a.npy");
        NpyFile missing = new NpyFile(file, 2, 2);
        missing.write(new float[3]);
        assertThatThrownBy(missing::close).isInstanceOf(IOException.class).hasMessageContaining("has 3 of the 4");
        NpyFile more = new NpyFile(file, 2);
        more.write(new float[3]);
        assertThatThrownBy(more::close).hasMessageContaining("has 3 of the 2");
    }
}
