package dev.rmt.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.rmt.ModelConfig;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class LookBackWeightsTest {
    private static final int HIDDEN = 128;
    private static final int HEAD = 16;
    private static final int POSITIONS = 512;
    /** [CLS], ten memory tokens, [SEP]. */
    private static final int MARKED = 12;

    private static ModelConfig.Builder config() {
        return ModelConfig.builder()
                .hiddenSize(HIDDEN)
                .numLayers(2)
                .numHeads(HIDDEN / HEAD)
                .vocabSize(300)
                .labels(List.of("a", "b"));
    }

    private static LookBackWeights weights(long seed) {
        return new LookBackWeights(config().build(), LookBackValues.defaults(), seed);
    }

    private static float[] all(Weights weights, String name) {
        long[] shape = weights.shape(name);
        float[] values = new float[(int) (shape[0] * (shape.length > 1 ? shape[1] : 1))];
        weights.read(name, 0, values, 0, values.length);
        return values;
    }

    /** Rows first ... first + 15 of a matrix (H, H), times a vector. */
    private static double[] head(float[] matrix, int head, float[] table, int position) {
        double[] out = new double[HEAD];
        for (int i = 0; i < HEAD; i++) {
            for (int c = 0; c < HIDDEN; c++) {
                out[i] += matrix[(head * HEAD + i) * HIDDEN + c] * table[position * HIDDEN + c];
            }
        }
        return out;
    }

    @Test
    void everyHeadOfTheFirstLayerLooksItsDistanceAwayFromAnyPosition() {
        LookBackWeights weights = weights(1);
        float[] query = all(weights, "encoder.layer.0.attention.self.query.weight");
        float[] key = all(weights, "encoder.layer.0.attention.self.key.weight");
        float[] table = all(weights, "embeddings.position_embeddings.weight");
        List<Integer> distances = LookBackValues.defaults().distances();
        for (int head = 0; head < distances.size(); head++) {
            for (int position = 10; position < POSITIONS - 10; position += 37) {
                double[] q = head(query, head, table, position);
                int best = -1;
                double highest = Double.NEGATIVE_INFINITY;
                for (int other = 0; other < POSITIONS; other++) {
                    double[] k = head(key, head, table, other);
                    double score = 0;
                    for (int i = 0; i < HEAD; i++) {
                        score += q[i] * k[i];
                    }
                    if (score > highest) {
                        highest = score;
                        best = other;
                    }
                }
                assertThat(best - position).as("head " + head).isEqualTo(distances.get(head));
            }
        }
    }

    @Test
    void positionsAndWordsHaveTheirOwnDimensions() {
        float[] table = all(weights(1), "embeddings.position_embeddings.weight");
        float[] words = all(weights(1), "embeddings.word_embeddings.weight");
        float[] memory = all(weights(1), Weights.MEMORY);
        double square = 0;
        for (int i = 0; i < table.length; i++) {
            if (i % HIDDEN < 32) {
                square += table[i] * table[i];
            } else if (i / HIDDEN >= MARKED) {
                assertThat(table[i]).isZero();
            }
        }
        assertThat(Math.sqrt(square / (POSITIONS * 32))).isCloseTo(0.2, within(1e-3));
        assertThat(deviation(words, true)).isZero();
        assertThat(deviation(words, false)).isCloseTo(0.2, within(1e-2));
        assertThat(deviation(memory, true)).isZero();
        assertThat(deviation(memory, false)).isCloseTo(0.2, within(2e-2));
    }

    @Test
    void headsOfTheFirstLayerSeeNothingOfWordsAndNoPositionStandsOutByItsMean() {
        LookBackWeights weights = weights(1);
        float[] table = all(weights, "embeddings.position_embeddings.weight");
        assertThat(deviation(all(weights, "encoder.layer.0.attention.self.query.weight"), false))
                .isZero();
        assertThat(deviation(all(weights, "encoder.layer.0.attention.self.key.weight"), false))
                .isZero();
        for (int position = MARKED; position < POSITIONS; position++) {
            double sum = 0;
            for (int h = 0; h < HIDDEN; h++) {
                sum += table[position * HIDDEN + h];
            }
            assertThat(sum).isCloseTo(0, within(1e-6));
        }
    }

    @Test
    void behindTheFirstAttentionNothingSeesWhereATokenStands() {
        LookBackWeights weights = weights(1);
        float[] norm = all(weights, "encoder.layer.0.attention.output.LayerNorm.weight");
        float[] value = all(weights, "encoder.layer.0.attention.self.value.weight");
        float[] table = all(weights, "embeddings.position_embeddings.weight");
        for (int i = 0; i < norm.length; i++) {
            assertThat(norm[i]).isEqualTo(i < 32 ? 0 : 1);
        }
        assertThat(deviation(value, true)).isZero();
        assertThat(deviation(value, false)).isCloseTo(0.7 / Math.sqrt(HIDDEN), within(3e-3));
        assertThat(deviation(Arrays.copyOf(table, MARKED * HIDDEN), false)).isCloseTo(0.2, within(2e-2));
    }

    private static double deviation(float[] rows, boolean ofPosition) {
        double square = 0;
        int count = 0;
        for (int i = 0; i < rows.length; i++) {
            if (i % HIDDEN < 32 == ofPosition) {
                square += rows[i] * rows[i];
                count++;
            }
        }
        return Math.sqrt(square / count);
    }

    @Test
    void everySecondHeadOfLaterLayersLooksForWhatIsLikeItself() {
        float[] query = all(weights(1), "encoder.layer.1.attention.self.query.weight");
        float[] key = all(weights(1), "encoder.layer.1.attention.self.key.weight");
        for (int i = 0; i < query.length; i++) {
            boolean same = i / HIDDEN / HEAD % 2 == 0;
            if (same) {
                assertThat(key[i]).isCloseTo(1.3f * query[i], within(1e-6f));
            }
        }
        assertThat(key[HEAD * HIDDEN]).isNotCloseTo(1.3f * query[HEAD * HIDDEN], within(1e-6f));
    }

    @Test
    void allElseIsAPlainNormalStart() {
        LookBackWeights weights = weights(1);
        assertThat(deviation(all(weights, "encoder.layer.0.intermediate.dense.weight"), true))
                .isCloseTo(0.7 / Math.sqrt(HIDDEN), within(3e-3));
        assertThat(deviation(all(weights, "encoder.layer.0.output.dense.weight"), true))
                .isCloseTo(0.7 / Math.sqrt(4 * HIDDEN), within(2e-3));
        assertThat(deviation(all(weights, "classifier.weight"), false))
                .isCloseTo(0.5 / Math.sqrt(HIDDEN), within(1e-2));
        assertThat(all(weights, "embeddings.token_type_embeddings.weight")).containsOnly(0);
        assertThat(all(weights, "pooler.dense.bias")).containsOnly(0);
        assertThat(all(weights, "embeddings.LayerNorm.weight")).containsOnly(1);
        assertThat(weights.trained()).isFalse();
    }

    @Test
    void memoryComesBackAtTheScaleOfWordsAndThePoolerMakesUpForIt() {
        LookBackWeights weights = weights(1);
        assertThat(all(weights, "encoder.layer.0.output.LayerNorm.weight")).containsOnly(1);
        float[] last = all(weights, "encoder.layer.1.output.LayerNorm.weight");
        assertThat(Arrays.copyOf(last, 32)).as("what positions need").containsOnly(0);
        assertThat(Arrays.copyOfRange(last, 32, HIDDEN)).containsOnly(0.3f);
        assertThat(all(weights, "encoder.layer.1.attention.output.LayerNorm.weight"))
                .containsOnly(1);
        assertThat(deviation(all(weights, "pooler.dense.weight"), false))
                .isCloseTo(0.7 / 0.3 / Math.sqrt(HIDDEN), within(6e-3));
    }

    @Test
    void valuesDependOnTheSeedAndNotOnThePieceThatIsRead() {
        for (String name : weights(1).names()) {
            float[] whole = all(weights(1), name);
            float[] piece = new float[whole.length];
            int half = whole.length / 3;
            weights(1).read(name, half, piece, half, whole.length - half);
            weights(1).read(name, 0, piece, 0, half);
            assertThat(piece).as(name).isEqualTo(whole);
        }
        assertThat(all(weights(2), "pooler.dense.weight")).isNotEqualTo(all(weights(1), "pooler.dense.weight"));
    }

    @Test
    void aModelThatIsTooSmallIsRefused() {
        ModelConfig wide = config().numHeads(1).build();
        assertThatThrownBy(() -> new LookBackWeights(wide, LookBackValues.defaults(), 1))
                .hasMessageContaining("8 distances")
                .hasMessageContaining("1 heads");
        ModelConfig large = config().hiddenSize(512).numHeads(8).build();
        assertThatThrownBy(() -> new LookBackWeights(large, LookBackValues.defaults(), 1))
                .hasMessageContaining("heads of 64 need 32");
        ModelConfig narrow = config().hiddenSize(24).numHeads(8).build();
        assertThatThrownBy(() -> new LookBackWeights(narrow, LookBackValues.defaults(), 1))
                .hasMessageContaining("hidden size of 24");
    }
}
