package dev.rmt.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.rmt.ModelFormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Random damage to a valid file: it opens and reads, or it is refused; there is no third way. */
class SafetensorsMutationTest {
    private static final long SEED = 20260;
    private static final int MUTATIONS = 3_000;

    @TempDir
    Path folder;

    @Test
    void aDamagedFileIsReadOrRefusedAndNothingElse() throws IOException {
        Path good = folder.resolve("good.safetensors");
        new SafetensorsWriter()
                .metadata("format", "pt")
                .floats("embeddings.word", new long[] {3, 4}, new float[12])
                .ints("ids", new long[] {5}, new int[5])
                .doubles("d", new long[] {2, 1}, new double[2])
                .write(good);
        byte[] bytes = Files.readAllBytes(good);
        int refused = 0;
        for (int i = 0; i < MUTATIONS; i++) {
            byte[] mutated = mutate(bytes, new Random(SEED + i));
            Path path = RawSafetensors.write(folder, mutated);
            try (Safetensors file = Safetensors.open(path)) {
                for (TensorInfo tensor : file.tensors()) {
                    readAny(file, tensor);
                }
            } catch (ModelFormatException e) {
                assertThat(e.getMessage()).as("mutation %d", i).contains(path.toString());
                refused++;
            } catch (RuntimeException | Error e) {
                throw new AssertionError("mutation " + i + " of seed " + SEED, e);
            }
        }
        // Most damage to the header must show; damage to numbers and names cannot.
        assertThat(refused).isBetween(MUTATIONS / 4, MUTATIONS - 1);
    }

    private static void readAny(Safetensors file, TensorInfo tensor) {
        if (tensor.dtype().readsAsFloat()) {
            assertThat(file.readFloats(tensor)).hasSize((int) tensor.numElements());
        } else if (tensor.dtype() == DType.I32 || tensor.dtype() == DType.I64) {
            assertThat(file.readInts(tensor)).hasSize((int) tensor.numElements());
        }
    }

    private static byte[] mutate(byte[] bytes, Random random) {
        byte[] mutated = bytes.clone();
        int changes = 1 + random.nextInt(4);
        for (int i = 0; i < changes; i++) {
            int at = random.nextInt(mutated.length);
            switch (random.nextInt(5)) {
                case 0 -> mutated[at] = (byte) random.nextInt(256);
                case 1 -> mutated[at] ^= (byte) (1 << random.nextInt(8));
                case 2 -> mutated[at] = (byte) "{}[]\",:0123456789eE-+.\\u ".charAt(random.nextInt(25));
                case 3 -> mutated = Arrays.copyOf(mutated, 1 + random.nextInt(mutated.length));
                default -> {
                    // Moves a piece over another place: repeats fields and offsets.
                    int length = 1 + random.nextInt(Math.min(40, mutated.length));
                    int from = random.nextInt(mutated.length - length + 1);
                    int to = random.nextInt(mutated.length - length + 1);
                    System.arraycopy(mutated.clone(), from, mutated, to, length);
                }
            }
        }
        return mutated;
    }
}
