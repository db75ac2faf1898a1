package dev.rmt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MemoryTest {
    private static final String MODEL = "ab".repeat(32);

    @TempDir
    private Path folder;

    private static Memory memory() {
        return new Memory(
                MODEL, 2, 3, new float[] {1, -2, 3.5f, 0, -0.0f, 6}, new int[] {7, 8}, new byte[] {1, 2, 3}, 100, 5);
    }

    @Test
    void aMemoryIsTheSameAfterWritingAndReading() {
        Path file = folder.resolve("memory.rmt");
        memory().write(file);

        assertThat(Memory.read(file)).isEqualTo(memory()).hasSameHashCodeAs(memory());
        assertThat(Memory.ofBytes(memory().toBytes())).isEqualTo(memory());
    }

    @Test
    void writingReplacesAFileAndLeavesNothingElse() throws IOException {
        Path file = Files.writeString(folder.resolve("memory.rmt"), "something old");
        memory().write(file);

        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(file);
        }
        assertThat(Memory.read(file)).isEqualTo(memory());
    }

    @Test
    void itsArraysCannotBeChangedFromOutside() {
        float[] values = {1, 2, 3, 4, 5, 6};
        Memory memory = new Memory(MODEL, 2, 3, values, new int[0], new byte[0], 0, 0);
        values[0] = 99;
        memory.values()[1] = 99;

        assertThat(memory.values()).containsExactly(1, 2, 3, 4, 5, 6);
    }

    @Test
    void theHashCoversValuesAndPendingInputAndNothingElse() {
        Memory memory = memory();
        assertThat(memory.sha256()).matches("[0-9a-f]{64}");
        assertThat(with(memory, memory.values(), memory.pendingIds(), memory.unfinished(), 1000)
                        .sha256())
                .isEqualTo(memory.sha256());
        assertThat(with(memory, new float[6], memory.pendingIds(), memory.unfinished(), 100)
                        .sha256())
                .isNotEqualTo(memory.sha256());
        assertThat(with(memory, memory.values(), new int[] {7, 9}, memory.unfinished(), 100)
                        .sha256())
                .isNotEqualTo(memory.sha256());
        assertThat(with(memory, memory.values(), memory.pendingIds(), new byte[] {1, 2}, 100)
                        .sha256())
                .isNotEqualTo(memory.sha256());
    }

    private static Memory with(Memory memory, float[] values, int[] pending, byte[] unfinished, long tokens) {
        return new Memory(
                memory.modelSha256(),
                memory.numMemTokens(),
                memory.hiddenSize(),
                values,
                pending,
                unfinished,
                tokens,
                memory.segments());
    }

    @Test
    void partsThatDoNotFitTogetherAreRefused() {
        assertRefused(() -> new Memory("xyz", 2, 3, new float[6], new int[0], new byte[0], 0, 0), "64 hexadecimal");
        assertRefused(() -> new Memory(MODEL, 2, 3, new float[5], new int[0], new byte[0], 0, 0), "5 values");
        assertRefused(() -> new Memory(MODEL, 1, 1, new float[] {Float.NaN}, new int[0], new byte[0], 0, 0), "NaN");
        assertRefused(() -> new Memory(MODEL, 1, 1, new float[1], new int[2], new byte[0], 1, 0), "2 pending");
    }

    private static void assertRefused(Runnable action, String part) {
        assertThatThrownBy(action::run)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(part);
    }

    @Test
    void aFileThatIsCutOffAnywhereIsRefused() {
        byte[] bytes = memory().toBytes();
        for (int length = 0; length < bytes.length; length++) {
            byte[] cut = Arrays.copyOf(bytes, length);
            assertThatThrownBy(() -> Memory.ofBytes(cut)).isInstanceOf(ModelFormatException.class);
        }
        assertThatThrownBy(() -> Memory.ofBytes(Arrays.copyOf(bytes, bytes.length + 1)))
                .isInstanceOf(ModelFormatException.class);
    }

    @Test
    void aFileInWhichAnyBitIsOtherwiseIsRefused() {
        byte[] bytes = memory().toBytes();
        for (int bit = 0; bit < 8 * bytes.length; bit++) {
            byte[] changed = bytes.clone();
            changed[bit / 8] ^= (byte) (1 << bit % 8);
            assertThatThrownBy(() -> Memory.ofBytes(changed)).isInstanceOf(ModelFormatException.class);
        }
    }

    @Test
    void aFileWithAGoodChecksumButMadUpSizesIsRefused() throws Exception {
        Random random = new Random(3);
        byte[] bytes = memory().toBytes();
        int headerEnd = bytes.length - 32 - 3 - 8 - 24;
        for (int round = 0; round < 5000; round++) {
            byte[] changed = bytes.clone();
            // Everything between version and values: model hash, sizes, counts.
            for (int i = 0; i < 1 + random.nextInt(4); i++) {
                changed[44 + random.nextInt(headerEnd - 44)] = (byte) random.nextInt(256);
            }
            var digest = java.security.MessageDigest.getInstance("SHA-256");
            digest.update(changed, 0, changed.length - 32);
            System.arraycopy(digest.digest(), 0, changed, changed.length - 32, 32);
            try {
                Memory.ofBytes(changed);
            } catch (ModelFormatException e) {
                assertThat(e.getMessage()).endsWith(".");
            }
        }
    }

    @Test
    void missingFilesFoldersAndForeignFilesAreSaid() throws IOException {
        assertThatThrownBy(() -> Memory.read(folder.resolve("missing")))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("There is no file");
        assertThatThrownBy(() -> Memory.read(folder))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("is a directory");
        Path text = Files.writeString(folder.resolve("text.txt"), "It was a bright cold day in April, and the clocks");
        assertThatThrownBy(() -> Memory.read(text))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("text.txt is not a saved memory");
    }

    @Test
    void aFileThatCannotBeWrittenIsSaid() {
        assertThatThrownBy(() -> memory().write(folder))
                .isInstanceOf(RmtException.class)
                .hasMessageContaining("is a directory");
        assertThatThrownBy(() -> memory().write(folder.resolve("missing/memory.rmt")))
                .isInstanceOf(RmtException.class)
                .hasMessageContaining("no such folder");
    }

    @Test
    void anotherModelRefusesAMemoryAndNamesBothHashes() {
        try (RmtModel model = TestModels.tiny();
                RmtModel other = RmtModel.untrained(
                        TestModels.config().build(), TestModels.tokenizer(), TestModels.SEED + 1, Device.cpu(1));
                RmtSession session = model.newSession()) {
            session.read("abcdefghijklmnopqrstuvw ");
            Path file = folder.resolve("memory.rmt");
            session.save(file);

            assertThat(model.sha256()).isNotEqualTo(other.sha256());
            assertThatThrownBy(() -> RmtSession.restore(other, file))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining(model.sha256().substring(0, 12))
                    .hasMessageContaining(other.sha256().substring(0, 12));
        }
    }

    @Test
    void aMemoryWhosePendingInputDoesNotFitTheModelIsRefused() {
        try (RmtModel model = TestModels.tiny();
                RmtSession session = model.newSession()) {
            Memory memory = session.memory();
            int[] tooMany = new int[model.config().segmentSize()];
            assertThatThrownBy(
                            () -> model.newSession(with(memory, memory.values(), tooMany, memory.unfinished(), 1000)))
                    .isInstanceOf(ModelFormatException.class);
            assertThatThrownBy(() -> model.newSession(
                            with(memory, memory.values(), new int[] {1_000_000}, memory.unfinished(), 1000)))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining("1000000");
            assertThatThrownBy(
                            () -> model.newSession(with(memory, memory.values(), new int[0], new byte[] {1, 2}, 1000)))
                    .isInstanceOf(RmtException.class);
        }
    }
}
