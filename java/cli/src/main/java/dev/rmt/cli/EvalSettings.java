package dev.rmt.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Everything that the results of an evaluation depend on, as text: a run goes on only where all of it is the same. */
final class EvalSettings {
    private final Map<String, String> values = new LinkedHashMap<>();

    /** @param name as the option spells it, without dashes */
    EvalSettings with(String name, Object value) {
        values.put(name, String.valueOf(value));
        return this;
    }

    ObjectNode toJson() {
        ObjectNode node = Json.object();
        values.forEach(node::put);
        return node;
    }

    /** What a saved run did otherwise: "seed: 42 there, 43 now"; empty if nothing. */
    List<String> differencesFrom(JsonNode saved) {
        List<String> differences = new ArrayList<>();
        values.forEach((name, now) -> {
            String then = saved.path(name).asText("not recorded");
            if (!then.equals(now)) {
                differences.add(name + ": " + then + " there, " + now + " now");
            }
        });
        return differences;
    }
}
