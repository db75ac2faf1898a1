package dev.rmt.train;

import dev.rmt.internal.NativeModel;
import dev.rmt.internal.TrainingBackend;
import dev.rmt.internal.TrainingBackend.Values;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A part of the parameters that does not learn.
 *
 * @param name of a tensor, or the beginning of names
 * @param columns how many of the first columns are meant (of a vector: elements); 0: all
 */
record FrozenPart(String name, int columns) {
    private static final Pattern COLUMNS = Pattern.compile("(.+)\\[:(\\d{1,7})]");

    /** Reads "name" or "name[:columns]". */
    static FrozenPart of(String text) {
        Matcher matcher = COLUMNS.matcher(text);
        if (!matcher.matches()) {
            return new FrozenPart(text, 0);
        }
        int columns = Integer.parseInt(matcher.group(2));
        if (columns == 0) {
            throw new IllegalArgumentException(
                    "\"" + text + "\" freezes no columns; leave it out, or name at least one.");
        }
        return new FrozenPart(matcher.group(1), columns);
    }

    boolean covers(NativeModel.Parameter parameter) {
        return parameter.name().startsWith(name);
    }

    /** Takes the gradient away: without one AdamW leaves a weight alone, since nothing frozen decays. */
    void clearGradient(TrainingBackend backend, NativeModel.Parameter parameter) {
        List<Long> shape = parameter.shape();
        int width = Math.toIntExact(shape.get(shape.size() - 1));
        if (columns == 0 || columns >= width) {
            GrowingTrainer.clear(backend, Values.GRADIENTS, parameter);
            return;
        }
        float[] zeros = new float[columns];
        for (long row = 0; row < parameter.count(); row += width) {
            backend.setValues(Values.GRADIENTS, parameter, zeros, row, columns);
        }
    }
}
