package dev.rmt.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.SegmentAlignment;
import dev.rmt.TestModels;
import dev.rmt.flops.ExactFlops;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the kernels count is what the formula says, to the operation. */
class OperationsTest {
    static Stream<String> isas() {
        return NativeLibrary.cpuIsas().stream();
    }

    /** Odd sizes, so that every kind of tile is filled up somewhere. */
    private static ModelConfig.Builder config() {
        return TestModels.config()
                .hiddenSize(42)
                .numHeads(3)
                .numLayers(3)
                .intermediateSize(85)
                .maxPositions(300);
    }

    /** Reads a text on a device of its own and gives out what the device counted. */
    private static long counted(ModelConfig config, String isa, int threads, long tokens, SegmentAlignment alignment) {
        try (NativeDevice device = NativeDevice.cpu(threads, isa);
                NativeModel model = NativeModel.create(device, config)) {
            for (NativeModel.Parameter parameter : model.parameters()) {
                float[] values = new float[Math.toIntExact(parameter.count())];
                Arrays.fill(values, 0.01f);
                model.setParameter(parameter, values, 0, values.length);
            }
            model.finish();
            try (NativeMemory memory = model.newMemory(1, 1)) {
                SegmentLayout layout = SegmentLayout.encoder(config.inputLength(), config.numMemTokens(), 2, 3);
                int[] ids = new int[Math.toIntExact(tokens)];
                Arrays.fill(ids, 9);
                new BatchRecurrence(memory, layout)
                        .run(
                                List.of(TestModels.source(ids)),
                                new long[] {tokens},
                                alignment,
                                false,
                                new BatchRecurrence.Listener() {});
            }
            return device.operations().orElseThrow();
        }
    }

    private static void check(ModelConfig config, String isa, long tokens, SegmentAlignment alignment) {
        BigInteger expected = ExactFlops.of(config, isa).text(tokens, alignment);
        assertThat(counted(config, isa, 2, tokens, alignment))
                .as("%d tokens %s, %s", tokens, alignment, config)
                .isEqualTo(expected.longValueExact());
    }

    @ParameterizedTest
    @MethodSource("isas")
    void textsOfEveryLengthCostWhatTheFormulaSays(String isa) {
        ModelConfig config = config().inputLength(45).build();
        for (long tokens : new long[] {1, 8, 9, 25, 37, 38, 39, 60, 76, 77, 115, 200}) {
            for (SegmentAlignment alignment : SegmentAlignment.values()) {
                check(config, isa, tokens, alignment);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("isas")
    void modelsOfOtherSizesCostWhatTheFormulaSays(String isa) {
        check(config().inputLength(280).build(), isa, 600, SegmentAlignment.RIGHT);
        check(config().inputLength(70).numMemTokens(0).build(), isa, 150, SegmentAlignment.RIGHT);
        check(config().inputLength(70).numMemTokens(40).build(), isa, 150, SegmentAlignment.RIGHT);
        check(config().inputLength(70).numLayers(1).build(), isa, 150, SegmentAlignment.LEFT);
        check(config().inputLength(70).intermediateSize(1700).build(), isa, 150, SegmentAlignment.LEFT);
        check(config().inputLength(70).labels(List.of()).build(), isa, 150, SegmentAlignment.RIGHT);
        check(config().inputLength(70).labels(numbered(130)).build(), isa, 90, SegmentAlignment.RIGHT);
    }

    private static List<String> numbered(int count) {
        return IntStream.range(0, count).mapToObj(i -> "label " + i).toList();
    }

    @Test
    void theReferenceCountsNothingThatFillsUp() {
        ModelConfig config = TestModels.config().numLayers(1).build(); // H = 32, F = 48, M = 4
        long positions = 16 + 4 + 3;
        long keysAndValues = 4 * positions * 32 * 32;
        long perRow = 4 * 32 * 32 + 4 * positions * 32 + 4 * 32 * 48;
        long head = 2 * 32 * (32 + 6);
        assertThat(ExactFlops.of(config, "reference").segment(16, true, true))
                .isEqualTo(keysAndValues + 5 * perRow + head);
        assertThat(ExactFlops.of(config, "reference").segment(16, true, false)).isEqualTo(keysAndValues + 4 * perRow);
    }

    @Test
    void aDeviceCountsWhileAModelIsLoadedOnIt() {
        Device device = Device.cpu(1);
        try (RmtModel model = TestModels.tiny(device);
                var session = model.newSession()) {
            assertThat(device.operations()).hasValue(0);
            long segments = session.read("a text of more than one segment of sixteen letters")
                    .segments();
            assertThat(segments).isPositive();
            assertThat(device.operations().orElseThrow())
                    .isEqualTo(segments
                            * ExactFlops.of(model.config(), device.info().isa()).segment(16, true, false));
        }
    }

    @Test
    void anInstructionSetThatIsNotKnownIsRefused() {
        ModelConfig config = TestModels.config().build();
        assertThatThrownBy(() -> ExactFlops.of(config, "cuda")).hasMessageContaining("\"cuda\"");
    }
}
