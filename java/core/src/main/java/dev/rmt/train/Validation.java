package dev.rmt.train;

import dev.rmt.RmtModel;
import java.util.Map;

/** Measures a model during training. */
public interface Validation {
    /**
     * Measures the model as it stands.
     *
     * @param model closed by the trainer afterwards
     * @return figures by name, in a fixed order: "memorize 4" = 0.98
     */
    Map<String, Double> measure(RmtModel model);

    /** One number by which models are compared, the higher the better: the mean of all figures unless said otherwise. */
    default double score(Map<String, Double> figures) {
        return figures.values().stream()
                .mapToDouble(Double::doubleValue)
                .average()
                .orElse(Double.NEGATIVE_INFINITY);
    }
}
