package dev.rmt.train;

import static dev.rmt.train.TrainingFixtures.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.Device;
import dev.rmt.RmtModel;
import dev.rmt.eval.Evaluation;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.Placement;
import dev.rmt.task.ReasonFacts;
import dev.rmt.task.Split;
import dev.rmt.task.TaskKind;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TaskValidationTest {
    private static final ValidationSettings SETTINGS =
            new ValidationSettings(5, Map.of(2, 24), List.of(TaskKind.DETECT, TaskKind.REASON), Placement.ANY, 5);

    @Test
    void figuresAreThoseOfAnEvaluationWithValidationFacts() {
        try (RmtModel model = RmtModel.untrained(CONFIG, TOKENIZER, 3, Device.cpu(1))) {
            Map<String, Double> figures = new TaskValidation(SETTINGS, TOKENIZER, NOISE, 11).measure(model);
            assertThat(figures.keySet()).containsExactly("detect 2", "reason 2");
            MemoryTask task = new MemoryTask(
                    TaskKind.REASON, Placement.ANY, TOKENIZER, NOISE, ReasonFacts.generated(), 64, Split.VALIDATION);
            double accuracy = Evaluation.builder(model)
                    .task(task)
                    .segments(2)
                    .samples(24)
                    .seed(11)
                    .build()
                    .run()
                    .accuracy();
            assertThat(figures.get("reason 2")).isEqualTo(accuracy);
        }
    }

    @Test
    void settingsThatMeasureNothingAreRefused() {
        assertThatThrownBy(() -> new ValidationSettings(5, Map.of(), List.of(TaskKind.DETECT), Placement.ANY, 1))
                .hasMessageContaining("at least one number of segments");
        assertThatThrownBy(() -> new ValidationSettings(5, Map.of(0, 3), List.of(TaskKind.DETECT), Placement.ANY, 1))
                .hasMessageContaining("0 segments");
        assertThat(ValidationSettings.none().every()).isZero();
    }
}
