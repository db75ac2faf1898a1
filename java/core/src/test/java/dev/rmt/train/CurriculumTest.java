package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.InputException;
import dev.rmt.ModelConfig;
import dev.rmt.checkpoint.Weights;
import dev.rmt.task.MemoryTask;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CurriculumTest {
    private static final String SMALLEST = """
            stages:
              - steps: 10
                learning_rate: {peak: 1e-3}
                samples: {segments: 2, batch: 4, tasks: {detect: 1}}
            """;

    @TempDir
    Path folder;

    private Curriculum read(String yaml) {
        Path file = folder.resolve("mine.yaml");
        try {
            Files.writeString(file, yaml);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        return Curriculum.load(file);
    }

    private void refused(String yaml, String... words) {
        assertThatThrownBy(() -> read(yaml))
                .isInstanceOf(InputException.class)
                .satisfies(e -> assertThat(e.getMessage())
                        .contains(words)
                        .contains("mine.yaml")
                        .doesNotContain("\n"));
    }

    static List<String> names() {
        return Curriculum.names();
    }

    @ParameterizedTest
    @MethodSource("names")
    void everyRecipeThatComesAlongMakesStagesForAModelOfItsSize(String name) {
        Curriculum recipe = Curriculum.named(name);
        assertThat(recipe.description()).isNotBlank();
        assertThat(recipe.text()).contains("stages:");
        ModelConfig config = recipe.model() == null
                ? ModelConfig.builder().vocabSize(200).labels(MemoryTask.LABELS).build()
                : recipe.model().config(200);
        assertThat(config.segmentSize()).isEqualTo(499);
        List<TrainingStage> stages = recipe.trainingStages(
                TrainingFixtures.TOKENIZER, TrainingFixtures.NOISE, TrainingFixtures.NOISE, config, recipe.seed());
        assertThat(stages).hasSize(recipe.stages().size());
        for (TrainingStage stage : stages) {
            TrainingBatch batch = stage.data().next(0);
            assertThat(batch.segments()).anyMatch(segment -> segment.label() != TrainingBatch.NONE);
            assertThat(batch.segments()).allMatch(segment -> segment.content().length <= 499);
            int outputs = recipe.numProbeOutputs();
            assertThat(batch.segments().stream().flatMap(segment -> segment.probes().stream()))
                    .allMatch(probe -> probe.firstOutput() + probe.numOutputs() <= outputs);
        }
        if (recipe.model() != null) {
            Weights weights = recipe.start().weights(config, recipe.seed());
            assertThat(weights.names()).contains("encoder.layer.0.attention.self.query.weight");
        }
    }

    @Test
    void thePapersRecipesAreThePapers() {
        for (String task : List.of("memorize", "detect", "reason")) {
            Curriculum paper = Curriculum.named("paper-" + task);
            assertThat(paper.stages()).hasSize(10);
            for (int n = 1; n <= 10; n++) {
                Stage stage = paper.stages().get(n - 1);
                SampleSettings samples = (SampleSettings) stage.data();
                boolean laterReason = task.equals("reason") && n > 1;
                assertThat(samples.segments()).isEqualTo(n);
                assertThat(samples.batch() * stage.accumulation()).isEqualTo(32);
                assertThat(samples.loss()).isEqualTo(SampleSettings.Loss.LAST);
                assertThat(stage.steps()).isEqualTo(laterReason ? 20_000 : task.equals("reason") ? 6000 : 3000);
                assertThat(stage.learningRate())
                        .isEqualTo(LearningRate.linear(
                                laterReason ? 5e-5 : 1e-5,
                                task.equals("memorize")
                                        ? 300
                                        : task.equals("detect") ? 1000 : laterReason ? 2000 : 600));
                assertThat(stage.optimizer())
                        .isEqualTo(new OptimizerSettings(0.9, 0.999, 1e-8, 0.001, true, 5, 0, 0, List.of()));
                assertThat(stage.bpttDepth()).isEqualTo(-1);
                assertThat(stage.start()).isEqualTo(TrainingStage.Start.BEST);
                assertThat(stage.carryOver()).isEqualTo(TrainingStage.CarryOver.WEIGHTS);
                assertThat(stage.validation().every()).isEqualTo(stage.steps() / (task.equals("detect") ? 5 : 10));
            }
        }
    }

    @Test
    void whatAStageDoesNotSayIsTakenFromTheDefaults() {
        Curriculum read = read("""
                defaults:
                  learning_rate: {peak: 1e-3, warm_up: 5}
                  optimizer: {beta2: 0.98, clip_norm: 2}
                  samples: {segments: 2, batch: 4, tasks: {detect: 1}}
                stages:
                  - name: first
                    steps: 10
                  - steps: 1_000
                    learning_rate: {peak: 5.0e-4, decay_from: 0.5}
                    samples: {segments: 3, tasks: {reason: 2}}
                    until: {window: 7, reason: 0.9}
                """);
        Stage first = read.stages().get(0);
        Stage second = read.stages().get(1);
        assertThat(first.name()).isEqualTo("first");
        assertThat(second.name()).isEqualTo("stage 2");
        assertThat(second.steps()).isEqualTo(1000);
        assertThat(first.learningRate()).isEqualTo(new LearningRate(1e-3, 0, 5, 1));
        assertThat(second.learningRate()).isEqualTo(new LearningRate(5e-4, 0, 5, 0.5));
        assertThat(second.optimizer().beta2()).isEqualTo(0.98);
        assertThat(second.optimizer().clipNorm()).isEqualTo(2);
        SampleSettings samples = (SampleSettings) second.data();
        assertThat(samples.segments()).isEqualTo(3);
        assertThat(samples.batch()).isEqualTo(4);
        assertThat(samples.detect()).isEqualTo(1);
        assertThat(samples.reason()).isEqualTo(2);
        assertThat(second.until()).isEqualTo(new Criterion(7, Map.of("reason", 0.9)));
        assertThat(first.until().isMet(10, Map.of("reason", 1.0))).isFalse();
        assertThat(read.totalSteps()).isEqualTo(1010);
    }

    @Test
    void aKeyThatIsNotKnownIsNamedWithThoseThatAre() {
        refused(SMALLEST + "model_size: 3\n", "model_size", "not known", "stages");
        refused(SMALLEST.replace("steps: 10", "steps: 10\n    stepss: 10"), "stages[1].stepss", "learning_rate");
        refused(SMALLEST.replace("batch: 4", "batch: 4, bach: 3"), "stages[1].samples.bach", "batch");
        refused(SMALLEST.replace("detect: 1", "detct: 1"), "stages[1].samples.tasks.detct");
        refused(SMALLEST + "probes: {fact: {rule: fact-key, layer: 1, rows: 3}}\n", "probes.fact.rows");
    }

    @Test
    void aValueOfTheWrongTypeIsNamed() {
        refused(SMALLEST.replace("steps: 10", "steps: many"), "stages[1].steps", "\"many\"", "whole number");
        refused(SMALLEST.replace("steps: 10", "steps: 10.5"), "stages[1].steps", "10.5");
        refused(SMALLEST.replace("steps: 10", "steps: -1"), "stages[1].steps", "-1");
        refused(SMALLEST.replace("1e-3", "[1]"), "stages[1].learning_rate.peak", "number");
        refused(SMALLEST.replace("{peak: 1e-3}", "0.1"), "stages[1].learning_rate", "mapping");
        refused("stages: 3\n", "stages", "list");
        refused("stages: []\n", "stages", "at least one");
        refused("stages: [3]\n", "stages[1]", "mapping");
        refused(SMALLEST.replace("tasks: {detect: 1}", "tasks: {detect: 1}, varied: 2"), "varied", "true or false");
        refused(SMALLEST.replace("batch: 4", "batch: 4, placement: here"), "placement", "any, published");
    }

    @Test
    void whatIsMissingIsNamed() {
        refused("seed: 3\n", "stages", "missing");
        refused(SMALLEST.replace("peak: 1e-3", "warm_up: 3"), "stages[1].learning_rate.peak", "missing");
        refused(SMALLEST.replace("steps: 10", "name: x"), "stages[1].steps", "missing");
        refused(SMALLEST.replaceAll("samples.*", "name: x"), "stages[1]", "documents", "samples");
        refused(SMALLEST + "probes: {fact: {layer: 1}}\n", "probes.fact.rule", "missing");
        refused(SMALLEST + "model: {hidden_size: 8}\n", "model.num_layers", "missing");
    }

    @Test
    void whatIsImpossibleIsSaidWithItsPlace() {
        refused(SMALLEST.replace("detect: 1", "detect: 0"), "stages[1].samples", "shares");
        refused(SMALLEST.replace("peak: 1e-3", "peak: 1e-3, warm_up: 11"), "stages[1]", "warm-up", "11", "10");
        refused(SMALLEST.replace("peak: 1e-3", "peak: 1e-3, decay_from: 2"), "learning_rate", "2.0");
        refused(SMALLEST.replace("steps: 10", "steps: 10\n    dropout: {hidden: 1}"), "stages[1]", "drops 1.0");
        refused(SMALLEST.replace("steps: 10", "steps: 10\n    bptt_depth: -2"), "bptt_depth", "-2");
        refused(
                SMALLEST.replace("steps: 10", "steps: 10\n    until: {lowest: 97}"),
                "stages[1].until.lowest",
                "0 ... 1");
        refused(SMALLEST.replace("steps: 10", "steps: 10\n    probes: {fact: {weight: 1}}"), "probes.fact", "none");
        refused(SMALLEST + "model: {hidden_size: 10, num_layers: 1, num_heads: 3}\n", "model", "10", "3");
        refused(
                SMALLEST.replace("steps: 10", "steps: 10\n    validation: {every: 5, samples: {two: 5}}"),
                "validation.samples.two",
                "number of segments");
        refused(
                SMALLEST.replace("steps: 10", "steps: 10\n    carry_over: {weights: best, optimizer: true}"),
                "stages[1]",
                "optimizer");
    }

    @Test
    void whatIsNoYamlIsSaidWithItsLine() {
        refused("stages:\n  - {steps: 10\n", "line 2");
        refused("a: 1\na: 2\nstages: []\n", "line 2", "Duplicate");
        refused("- 1\n", "mapping");
        refused("", "mapping");
    }

    @Test
    void aFileThatCannotBeReadIsNamed() {
        assertThatThrownBy(() -> Curriculum.load(folder.resolve("none.yaml")))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("none.yaml");
        assertThatThrownBy(() -> Curriculum.load(folder)).isInstanceOf(InputException.class);
        assertThatThrownBy(() -> Curriculum.named("large"))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("small, control");
    }

    @Test
    void aStageThatDoesNotFitTheModelIsNamed() {
        Curriculum read = read(SMALLEST.replace("detect: 1", "detect: 1, reason: 1"));
        ModelConfig tiny = ModelConfig.builder()
                .vocabSize(200)
                .inputLength(30)
                .maxPositions(30)
                .labels(MemoryTask.LABELS)
                .build();
        assertThatThrownBy(() -> read.trainingStages(
                        TrainingFixtures.TOKENIZER, TrainingFixtures.NOISE, TrainingFixtures.NOISE, tiny, 1))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("17 tokens");
    }
}
