package dev.rmt.train;

import dev.rmt.ModelConfig;
import dev.rmt.checkpoint.RandomWeights;
import dev.rmt.checkpoint.Weights;
import dev.rmt.internal.NativeModel;
import dev.rmt.internal.NotFiniteException;
import dev.rmt.internal.TrainingBackend;
import dev.rmt.internal.TrainingBackend.Values;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/** The weights of a trainer, or their average, as they stand; probes are left out. */
final class TrainerWeights implements Weights {
    private final TrainingBackend backend;
    private final Values which;
    /** Names and shapes of the model's parameters, in its order. */
    private final Weights shapes;

    private final Map<String, NativeModel.Parameter> parameters;

    TrainerWeights(TrainingBackend backend, ModelConfig config, Values which) {
        this.backend = backend;
        this.which = which;
        shapes = new RandomWeights(config, 0);
        parameters = parametersOf(backend);
    }

    static Map<String, NativeModel.Parameter> parametersOf(TrainingBackend backend) {
        Map<String, NativeModel.Parameter> parameters = new LinkedHashMap<>();
        for (NativeModel.Parameter parameter : backend.parameters()) {
            parameters.put(parameter.name(), parameter);
        }
        return parameters;
    }

    /**
     * Reads a piece of a parameter into the start of {@code piece}.
     *
     * @throws NotFiniteException if there is a number in it that nobody could go on with
     */
    static void readFinite(
            TrainingBackend backend,
            Values which,
            NativeModel.Parameter parameter,
            long first,
            float[] piece,
            int count) {
        backend.getValues(which, parameter, piece, first, count);
        for (int i = 0; i < count; i++) {
            if (!Float.isFinite(piece[i])) {
                throw new NotFiniteException("element " + (first + i) + " of the "
                        + which.name().toLowerCase(Locale.ROOT).replace('_', ' ') + " of " + parameter.name());
            }
        }
    }

    @Override
    public List<String> names() {
        return shapes.names();
    }

    @Override
    public boolean has(String name) {
        return shapes.has(name);
    }

    @Override
    public long[] shape(String name) {
        return shapes.shape(name);
    }

    @Override
    public void read(String name, long firstElement, float[] dst, int offset, int count) {
        Objects.checkFromIndexSize(offset, count, dst.length);
        if (count == 0) {
            return;
        }
        NativeModel.Parameter parameter = parameters.get(name);
        if (parameter == null || !shapes.has(name)) {
            throw new IllegalArgumentException("There is no parameter \"" + name + "\".");
        }
        float[] piece = offset == 0 ? dst : new float[count];
        readFinite(backend, which, parameter, firstElement, piece, count);
        if (offset != 0) {
            System.arraycopy(piece, 0, dst, offset, count);
        }
    }

    @Override
    public String describe(String name) {
        return "parameter \"" + name + "\" of the trainer";
    }
}
