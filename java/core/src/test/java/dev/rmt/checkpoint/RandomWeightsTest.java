package dev.rmt.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.rmt.ModelConfig;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class RandomWeightsTest {
    private static final ModelConfig CONFIG = ModelConfig.builder()
            .vocabSize(1000)
            .hiddenSize(64)
            .labels(List.of("a", "b"))
            .build();

    private final RandomWeights weights = new RandomWeights(CONFIG, 7);

    @Test
    void matricesAndMemoryAreNormalWithDeviationTwoHundredths() {
        for (String name : List.of("embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.weight")) {
            float[] values = TinyBert.values(weights, name);
            double sum = 0;
            double squares = 0;
            double fourth = 0;
            int withinOne = 0;
            double neighbours = 0;
            for (int i = 0; i < values.length; i++) {
                double z = values[i] / 0.02;
                sum += z;
                squares += z * z;
                fourth += z * z * z * z;
                withinOne += Math.abs(z) < 1 ? 1 : 0;
                neighbours += i == 0 ? 0 : z * values[i - 1] / 0.02;
            }
            // Five standard errors of each statistic, n >= 32,768.
            double n = values.length;
            assertThat(sum / n).isCloseTo(0, within(5 / Math.sqrt(n)));
            assertThat(squares / n).isCloseTo(1, within(5 * Math.sqrt(2 / n)));
            assertThat(fourth / n).isCloseTo(3, within(5 * Math.sqrt(96 / n)));
            assertThat(withinOne / n).isCloseTo(0.6827, within(5 * 0.47 / Math.sqrt(n)));
            assertThat(neighbours / n).isCloseTo(0, within(5 / Math.sqrt(n)));
        }
        assertThat(TinyBert.values(weights, "memory")).hasSize(640).doesNotContain(0);
    }

    @Test
    void layerNormStartsAsTheIdentityAndBiasesAtZero() {
        assertThat(TinyBert.values(weights, "encoder.layer.0.output.LayerNorm.weight"))
                .containsOnly(1);
        assertThat(TinyBert.values(weights, "encoder.layer.0.output.LayerNorm.bias"))
                .containsOnly(0);
        assertThat(TinyBert.values(weights, "encoder.layer.0.attention.self.query.bias"))
                .containsOnly(0);
        assertThat(TinyBert.values(weights, "classifier.bias")).containsOnly(0);
    }

    @Test
    void aPieceHasTheSameValuesAsThatPlaceOfTheWhole() {
        float[] whole = TinyBert.values(weights, "pooler.dense.weight");
        for (int first : new int[] {0, 1, 2, 63, 100}) {
            for (int count : new int[] {0, 1, 2, 3, 64}) {
                float[] piece = new float[count + 2];
                weights.read("pooler.dense.weight", first, piece, 1, count);
                assertThat(Arrays.copyOfRange(piece, 1, count + 1))
                        .containsExactly(Arrays.copyOfRange(whole, first, first + count));
                assertThat(new float[] {piece[0], piece[count + 1]}).containsOnly(0);
            }
        }
    }

    @Test
    void seedsAndNamesGiveDifferentValuesAndTheSameSeedTheSame() {
        String name = "encoder.layer.0.attention.self.query.weight";
        float[] values = TinyBert.values(weights, name);
        assertThat(TinyBert.values(new RandomWeights(CONFIG, 7), name)).containsExactly(values);
        assertThat(TinyBert.values(new RandomWeights(CONFIG, 8), name)).isNotEqualTo(values);
        assertThat(TinyBert.values(weights, "encoder.layer.1.attention.self.query.weight"))
                .isNotEqualTo(values);
        assertThat(TinyBert.values(weights, "encoder.layer.0.attention.self.key.weight"))
                .isNotEqualTo(values);
    }

    @Test
    void theValuesOfASeedNeverChange() {
        // A saved memory is tied to the hash of its model: other values in a later version would orphan it.
        float[] first = new float[3];
        new RandomWeights(CONFIG, 42).read("memory", 0, first, 0, 3);
        assertThat(first).containsExactly(-0.0106108105f, -8.436272E-4f, 0.037455752f);
    }

    @Test
    void itSaysThatItIsNotTrainedAndKnowsItsNames() {
        assertThat(weights.trained()).isFalse();
        assertThat(weights.describe("memory")).contains("memory").contains("seed 7");
        assertThat(weights.names()).contains("memory", "classifier.bias").allMatch(weights::has);
        assertThat(weights.shape("memory")).containsExactly(10, 64);
        assertThat(weights.has("x")).isFalse();
        assertThatThrownBy(() -> weights.shape("x")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> weights.read("memory", 640, new float[1], 0, 1))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void withoutLabelsThereIsNeitherPoolerNorClassifier() {
        RandomWeights encoder =
                new RandomWeights(CONFIG.toBuilder().labels(List.of()).build(), 7);
        assertThat(encoder.names()).noneMatch(name -> name.startsWith("pooler") || name.startsWith("classifier"));
    }
}
