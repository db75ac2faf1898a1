package dev.rmt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.checkpoint.ModelWriter;
import dev.rmt.checkpoint.RandomWeights;
import dev.rmt.checkpoint.Weights;
import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class RmtModelTest {
    @TempDir
    private Path folder;

    private static String hashAfterReading(RmtModel model) {
        try (RmtSession session = model.newSession()) {
            session.read("abcdefgh ijklmnop ".repeat(20));
            return session.memory().sha256();
        }
    }

    @Test
    void aModelThatWasWrittenAndLoadedReadsLikeTheOneItCameFrom() {
        ModelConfig config = TestModels.config().build();
        Path directory = folder.resolve("model");
        ModelWriter.write(directory, config, TestModels.tokenizer(), new RandomWeights(config, TestModels.SEED));
        try (RmtModel made = TestModels.tiny();
                RmtModel loaded = RmtModel.load(directory, Device.cpu(1))) {
            assertThat(loaded.config()).isEqualTo(config);
            assertThat(loaded.sha256()).isEqualTo(made.sha256());
            assertThat(loaded.trained()).isFalse();
            assertThat(loaded.nativeBytes()).isPositive();
            assertThat(loaded.deviceInfo().threads()).isEqualTo(1);
            assertThat(hashAfterReading(loaded)).isEqualTo(hashAfterReading(made));
        }
    }

    @Test
    void theSameSeedMakesTheSameModelAndAnotherSeedAnother() {
        try (RmtModel one = TestModels.tiny();
                RmtModel same = TestModels.tiny();
                RmtModel other =
                        RmtModel.untrained(TestModels.config().build(), TestModels.tokenizer(), 8, Device.cpu(1))) {
            assertThat(same.sha256()).isEqualTo(one.sha256()).isNotEqualTo(other.sha256());
            assertThat(hashAfterReading(same)).isEqualTo(hashAfterReading(one)).isNotEqualTo(hashAfterReading(other));
            assertThat(one.trained()).isFalse();
            assertThat(one.notices()).singleElement().asString().contains("untrained");
        }
    }

    @Test
    void theNumberOfThreadsChangesNoBit() {
        try (RmtModel one = TestModels.tiny(Device.cpu(1));
                RmtModel three = TestModels.tiny(Device.cpu(3))) {
            assertThat(hashAfterReading(three)).isEqualTo(hashAfterReading(one));
        }
    }

    @Test
    void weightsThatAreNotFiniteAreRefusedByName() {
        ModelConfig config = TestModels.config().build();
        Weights bad = new Damaged(new RandomWeights(config, 1), "encoder.layer.1.output.dense.weight");
        Path directory = folder.resolve("model");
        // Refused by the writer or by the loader: either way by name.
        assertThatThrownBy(() -> {
                    ModelWriter.write(directory, config, TestModels.tokenizer(), bad);
                    RmtModel.load(directory, Device.cpu(1)).close();
                })
                .hasMessageContaining("encoder.layer.1.output.dense.weight");
    }

    /** Weights of which one has NaN as its third element. */
    private record Damaged(Weights rest, String damaged) implements Weights {
        @Override
        public List<String> names() {
            return rest.names();
        }

        @Override
        public boolean has(String name) {
            return rest.has(name);
        }

        @Override
        public long[] shape(String name) {
            return rest.shape(name);
        }

        @Override
        public void read(String name, long firstElement, float[] dst, int offset, int count) {
            rest.read(name, firstElement, dst, offset, count);
            if (name.equals(damaged) && firstElement <= 2 && firstElement + count > 2) {
                dst[offset + 2 - (int) firstElement] = Float.NaN;
            }
        }
    }

    @Test
    void aVocabularyThatIsLargerThanTheModelIsRefusedWithBothNumbers() {
        ModelConfig config = TestModels.config().vocabSize(20).build();
        assertThatThrownBy(() -> RmtModel.untrained(config, TestModels.tokenizer(), 1, Device.cpu(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("63 pieces")
                .hasMessageContaining("20");
    }

    @Test
    void aModelThatDoesNotFitIntoMemoryIsRefusedWithNeededAndAvailable() {
        ModelConfig config = TestModels.config()
                .hiddenSize(32768)
                .numLayers(96)
                .intermediateSize(131072)
                .build();
        assertThatThrownBy(() -> RmtModel.untrained(config, TestModels.tokenizer(), 1, Device.cpu(1)))
                .isInstanceOf(MemoryBudgetException.class)
                .hasMessageContaining("available");
    }

    @ParameterizedTest
    @EnumSource(SegmentAlignment.class)
    void aDocumentInABatchGetsTheBitsThatItGetsAlone(SegmentAlignment alignment) {
        Random random = new Random(5);
        int[] lengths = {1, 15, 16, 17, 100, 40};
        List<int[]> documents = new ArrayList<>();
        for (int length : lengths) {
            documents.add(random.ints(length, 5, 60).toArray());
        }
        try (RmtModel model = TestModels.tiny(Device.cpu(2));
                RmtBatch together = model.newBatch(lengths.length);
                RmtBatch inTurns = model.newBatch(2);
                RmtBatch alone = model.newBatch(1)) {
            float[][] logits = read(together, documents, alignment);
            float[][] logitsInTurns = read(inTurns, documents, alignment);
            for (int d = 0; d < lengths.length; d++) {
                assertThat(logits[d]).containsExactly(read(alone, List.of(documents.get(d)), alignment)[0]);
                assertThat(together.memory(d)).containsExactly(alone.memory(0));
                assertThat(logitsInTurns[d]).containsExactly(logits[d]);
            }
        }
    }

    private static float[][] read(RmtBatch batch, List<int[]> documents, SegmentAlignment alignment) {
        return batch.read(
                documents.stream().map(TestModels::source).toList(),
                documents.stream().mapToLong(ids -> ids.length).toArray(),
                alignment);
    }

    @Test
    void aBatchReadLeftEndsWithTheMemoryOfASessionThatReadTheSame() {
        int[] ids = new Random(6).ints(64, 5, 60).toArray();
        try (RmtModel model = TestModels.tiny();
                RmtBatch batch = model.newBatch(1);
                RmtSession session = model.newSession()) {
            read(batch, List.of(ids), SegmentAlignment.LEFT);
            session.read(ids);

            assertThat(session.pendingTokens()).isZero();
            assertThat(batch.memory(0)).containsExactly(session.memory().values());
        }
    }

    /** Weights of 90 MB as float32, with 64 MB of heap: none may ever be on the heap as a whole. */
    @Test
    @Timeout(120)
    void aModelLargerThanTheHeapLoadsAndReads() throws Exception {
        ModelConfig config = ModelConfig.builder()
                .hiddenSize(384)
                .numLayers(6)
                .numHeads(12)
                .intermediateSize(1536)
                .vocabSize(30522)
                .labels(List.of("yes", "no"))
                .build();
        Path directory = folder.resolve("large");
        ModelWriter.write(directory, config, TestModels.tokenizer(), new RandomWeights(config, 1));

        assertThat(ChildJvm.run(List.of("-Xmx64m"), SmallHeap.class, directory.toString()))
                .contains("read 2 segments");
    }

    /** Runs in a JVM of its own. */
    static final class SmallHeap {
        private SmallHeap() {}

        public static void main(String[] arguments) throws IOException {
            try (RmtModel model = RmtModel.load(new File(arguments[0]).toPath(), Device.best());
                    RmtSession session = model.newSession()) {
                System.out.println(
                        "read " + session.read("abcdefghi ".repeat(120)).segments() + " segments");
            }
        }
    }
}
