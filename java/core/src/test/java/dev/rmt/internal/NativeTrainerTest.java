package dev.rmt.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.MemoryBudgetException;
import dev.rmt.ModelConfig;
import dev.rmt.ModelFormatException;
import dev.rmt.TestModels;
import dev.rmt.internal.TrainingBackend.Values;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What the binding of a trainer takes, gives and refuses. */
class NativeTrainerTest {
    private static final ModelConfig CONFIG = TestModels.config().build();
    private static final int MEMORY = CONFIG.numMemTokens() * CONFIG.hiddenSize();

    private final NativeDevice device = NativeDevice.cpu(1);
    private final NativeTrainer trainer =
            NativeTrainer.create(device, CONFIG, new NativeTrainer.Limits(2, 46, 3, 1, 5, true));

    @AfterEach
    void close() {
        trainer.close();
        device.close();
    }

    @Test
    void parametersAreThoseOfTheModelAndThenThoseOfTheProbes() {
        List<NativeModel.Parameter> parameters = trainer.parameters();
        List<NativeModel.Parameter> ofModel;
        try (NativeModel model = NativeModel.create(device, CONFIG)) {
            ofModel = model.parameters();
        }

        assertThat(parameters.subList(0, ofModel.size())).isEqualTo(ofModel);
        assertThat(parameters.subList(ofModel.size(), parameters.size()))
                .extracting(NativeModel.Parameter::name, NativeModel.Parameter::shape)
                .containsExactly(
                        org.assertj.core.groups.Tuple.tuple("probe.weight", List.of(5L, (long) CONFIG.hiddenSize())),
                        org.assertj.core.groups.Tuple.tuple("probe.bias", List.of(5L)));
    }

    @Test
    void valuesOfEveryKindAreKeptApart() {
        NativeModel.Parameter parameter = trainer.parameters().get(3);
        for (Values which : Values.values()) {
            trainer.setValues(which, parameter, new float[] {which.ordinal() + 1, 10 * which.ordinal()}, 1, 2);
        }
        for (Values which : Values.values()) {
            float[] values = new float[3];
            trainer.getValues(which, parameter, values, 0, 3);
            assertThat(values).as(which.name()).containsExactly(0, which.ordinal() + 1, 10 * which.ordinal());
        }
    }

    @Test
    void statesAndTheirGradientsAreKeptApart() {
        float[] state = filled(MEMORY, 2);
        float[] gradient = filled(MEMORY, 3);
        float[] found = new float[MEMORY];

        trainer.setState(1, state);
        trainer.setStateGradient(1, gradient);
        trainer.getState(1, found);
        assertThat(found).containsExactly(state);
        trainer.getStateGradient(1, found);
        assertThat(found).containsExactly(gradient);
        trainer.clearStateGradient(-1);
        trainer.getStateGradient(1, found);
        assertThat(found).containsOnly(0);
    }

    @Test
    void whatDoesNotFitIsNamed() {
        NativeModel.Parameter parameter = trainer.parameters().get(0);

        assertThatThrownBy(() -> trainer.setValues(Values.WEIGHTS, parameter, new float[] {Float.NaN}, 0, 1))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("embeddings.word_embeddings.weight");
        assertThatThrownBy(() -> trainer.setValues(Values.WEIGHTS, parameter, new float[1], parameter.count(), 1))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> trainer.setState(3, new float[MEMORY])).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> trainer.getState(0, new float[MEMORY + 1]))
                .hasMessage("A memory of this model has 128 values, not 129.");
        TrainingSegment empty = new TrainingSegment(2, 23, CONFIG.numLabels());
        empty.begin(23, 0, 0);
        assertThatThrownBy(() -> trainer.forward(0, empty)).isInstanceOf(IllegalArgumentException.class);
        TrainingSegment fewLabels = new TrainingSegment(2, 23, 1);
        fewLabels.begin(23, 0, 0);
        layout().addTo(fewLabels, new int[] {9}, -1, -1, 0, 1, 0);
        assertThatThrownBy(() -> trainer.forward(0, fewLabels))
                .hasMessageContaining("does not fit a model of 6 labels");
    }

    @Test
    void aTrainerThatDoesNotFitIsRefusedWithItsBytes() {
        assertThatThrownBy(() -> NativeTrainer.create(
                        device, CONFIG, new NativeTrainer.Limits(1 << 16, 1 << 20, 1 << 20, 1 << 12, 0, false)))
                .isInstanceOf(MemoryBudgetException.class)
                .hasMessageContaining("bytes");
    }

    @Test
    void aClosedTrainerSaysSo() {
        trainer.close();
        trainer.close();

        assertThatThrownBy(() -> trainer.getState(0, new float[MEMORY]))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("The trainer is closed.");
        assertThatThrownBy(trainer::clearGradients).hasMessage("The trainer is closed.");
    }

    @Test
    void aSecondThreadMayTakeOverWhenTheFirstIsOutside() throws InterruptedException {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread thread = new Thread(() -> trainer.setState(0, filled(MEMORY, 5)));
        thread.setUncaughtExceptionHandler((where, what) -> failure.set(what));
        thread.start();
        thread.join();

        float[] found = new float[MEMORY];
        trainer.getState(0, found);
        assertThat(failure.get()).isNull();
        assertThat(found).containsExactly(filled(MEMORY, 5));
    }

    private static SegmentLayout layout() {
        return SegmentLayout.encoder(CONFIG.inputLength(), CONFIG.numMemTokens(), 2, 3);
    }

    private static float[] filled(int count, float step) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = i * step;
        }
        return values;
    }
}
