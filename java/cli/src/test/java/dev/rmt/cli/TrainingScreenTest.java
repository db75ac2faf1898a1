package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TrainingScreenTest {
    private static Map<String, Double> figures(Object... namesAndValues) {
        Map<String, Double> figures = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            figures.put((String) namesAndValues[i], (Double) namesAndValues[i + 1]);
        }
        return figures;
    }

    @Test
    void figuresOfTheSameLengthsStandTogetherByTask() {
        assertThat(TrainingScreen.inGroups(
                        figures("memorize 1", 0.99, "memorize 16", 0.5, "detect 1", 1.0, "detect 16", 0.123)))
                .isEqualTo("memorize 99.0 50.0, detect 100.0 12.3 % at 1, 16 segments");
        assertThat(TrainingScreen.inGroups(figures("detect 1", 0.5))).isEqualTo("detect 50.0 % at 1 segment");
    }

    @Test
    void otherFiguresStandOneByOne() {
        assertThat(TrainingScreen.inGroups(figures("detect 1", 0.5, "memorize 4", 0.25)))
                .isEqualTo("detect 1 50.0 %, memorize 4 25.0 %");
        assertThat(TrainingScreen.inGroups(figures("score", 0.5))).isEqualTo("score 50.0 %");
        assertThat(TrainingScreen.inGroups(Map.of())).isEmpty();
    }
}
