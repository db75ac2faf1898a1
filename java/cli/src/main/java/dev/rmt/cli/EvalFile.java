package dev.rmt.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.InputException;
import dev.rmt.eval.EvaluationRow;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The results of an evaluation in {@code --json FILE}: written anew after every batch of samples, read again by
 * {@code --resume}. Names and units of the fields are relied on by scripts.
 */
final class EvalFile {
    private final Path path; // null: nothing is written
    private final ObjectNode head;
    private final Map<Part, List<EvaluationRow>> parts = new EnumMap<>(Part.class);

    /** A list of rows in the file. */
    enum Part {
        RESULTS("results"),
        /** The same rows without memory; there only if they were asked for. */
        CONTROL("control");

        private final String field;

        Part(String field) {
            this.field = field;
        }
    }

    /**
     * @param path null: results are kept in memory only
     * @param head the fields before "results"
     */
    EvalFile(Path path, ObjectNode head) {
        this.path = path;
        this.head = head;
        for (Part part : Part.values()) {
            parts.put(part, new ArrayList<>());
        }
    }

    /**
     * Takes over the rows of an earlier run. A file that is missing or empty holds none.
     *
     * @throws InputException if the file is not such a result or its settings differ, naming them
     */
    void resume(EvalSettings settings) throws IOException {
        if (path == null || !Files.exists(path) || Files.size(path) == 0) {
            return;
        }
        JsonNode saved = parse(path, "resumed");
        if (!saved.path("settings").isObject() || !saved.path("results").isArray()) {
            throw new InputException(path + " cannot be resumed: it is not a result of eval --json.");
        }
        List<String> differences = settings.differencesFrom(saved.path("settings"));
        if (!differences.isEmpty()) {
            throw new InputException(path + " cannot be resumed, its settings differ: " + String.join("; ", differences)
                    + ". Use the same options, or another --json file.");
        }
        parts.forEach((part, rows) ->
                saved.path(part.field).forEach(row -> rows.add(new RowReader(path, "resumed").row(row))));
    }

    /**
     * Reads the results of an earlier run, whatever its settings.
     *
     * @throws InputException if the file is not such a result or holds no row, naming what is wrong
     */
    static EvalFile read(Path path) throws IOException {
        JsonNode saved = parse(path, "drawn");
        if (!saved.isObject()
                || !saved.path("results").isArray()
                || saved.path("results").isEmpty()) {
            throw new InputException(path + " cannot be drawn: it holds no results of eval --json.");
        }
        ObjectNode head = ((ObjectNode) saved).deepCopy();
        EvalFile file = new EvalFile(path, head);
        file.parts.forEach((part, rows) -> {
            saved.path(part.field).forEach(row -> rows.add(new RowReader(path, "drawn").row(row)));
            head.remove(part.field);
        });
        return file;
    }

    private static JsonNode parse(Path path, String what) throws IOException {
        try {
            return Json.MAPPER.readTree(path.toFile());
        } catch (JsonProcessingException e) {
            throw new InputException(
                    path + " cannot be " + what + ": it is not JSON (line "
                            + e.getLocation().getLineNr() + ").",
                    e);
        }
    }

    /** What was tested, as the run named it; empty: the file does not say. */
    Optional<String> model() {
        return Optional.ofNullable(head.path("model").textValue());
    }

    /** What a picture shows of it. */
    EvalChart.Run run(String model) {
        return new EvalChart.Run(model, List.copyOf(parts.get(Part.RESULTS)), List.copyOf(parts.get(Part.CONTROL)));
    }

    /** The row of a task and length as far as it has come. */
    Optional<EvaluationRow> find(Part part, String task, int segments) {
        return parts.get(part).stream()
                .filter(row -> row.task().equals(task) && row.segments() == segments)
                .findFirst();
    }

    /**
     * Puts a row in the place of its earlier state, or at the end, and writes the file. Synchronized, so that a program that
     * is interrupted can wait for the end of it.
     */
    synchronized void update(Part part, EvaluationRow row) throws IOException {
        List<EvaluationRow> rows = parts.get(part);
        for (int i = 0; i <= rows.size(); i++) {
            if (i == rows.size()) {
                rows.add(row);
                break;
            }
            if (rows.get(i).task().equals(row.task()) && rows.get(i).segments() == row.segments()) {
                rows.set(i, row);
                break;
            }
        }
        write();
    }

    private void write() throws IOException {
        if (path == null) {
            return;
        }
        OutputFile.write(path, Json.bytes(toJson()));
    }

    /** The whole content: the head and the rows so far. */
    ObjectNode toJson() {
        ObjectNode all = head.deepCopy();
        parts.forEach((part, rows) -> {
            if (part == Part.RESULTS || !rows.isEmpty()) {
                ArrayNode array = all.putArray(part.field);
                rows.forEach(row -> array.add(toJson(row)));
            }
        });
        return all;
    }

    /** The names and units here are a promise: see "results" in the README. */
    private static ObjectNode toJson(EvaluationRow row) {
        ObjectNode node = Json.object();
        node.put("task", row.task());
        node.put("placement", row.placement());
        node.put("alignment", row.alignment());
        node.put("segments", row.segments());
        node.put("tokens", row.tokens());
        node.put("samples", row.samples());
        node.put("correct", row.correct());
        node.put("accuracy", row.accuracy());
        node.put("ms_per_segment", row.msPerSegment());
        node.put("tokens_per_second", row.tokensPerSecond());
        node.put("peak_rss_bytes", row.peakRssBytes());
        return node;
    }

    /** @param what a file with a wrong row cannot be: "resumed" */
    private record RowReader(Path path, String what) {
        EvaluationRow row(JsonNode node) {
            EvaluationRow row = new EvaluationRow(
                    text(node, "task"),
                    text(node, "placement"),
                    text(node, "alignment"),
                    number(node, "segments").intValue(),
                    number(node, "tokens").longValue(),
                    number(node, "samples").intValue(),
                    number(node, "correct").intValue(),
                    number(node, "accuracy").doubleValue(),
                    number(node, "ms_per_segment").doubleValue(),
                    number(node, "tokens_per_second").doubleValue(),
                    number(node, "peak_rss_bytes").longValue());
            if (row.segments() < 1 || row.correct() < 0 || row.correct() > row.samples()) {
                throw new InputException(path + " cannot be " + what + ": a result in it has " + row.segments()
                        + " segments and " + row.correct() + " of " + row.samples() + " samples right.");
            }
            return row;
        }

        private String text(JsonNode node, String field) {
            if (!node.path(field).isTextual()) {
                throw new InputException(
                        path + " cannot be " + what + ": a result in it has no text \"" + field + "\".");
            }
            return node.path(field).textValue();
        }

        private JsonNode number(JsonNode node, String field) {
            if (!node.path(field).isNumber()) {
                throw new InputException(
                        path + " cannot be " + what + ": a result in it has no number \"" + field + "\".");
            }
            return node.path(field);
        }
    }
}
