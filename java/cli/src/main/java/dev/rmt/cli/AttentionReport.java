package dev.rmt.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.Answer;
import dev.rmt.RmtModel;
import dev.rmt.task.TaskSample;
import dev.rmt.task.TaskSample.Placed;
import java.io.PrintStream;
import java.util.List;

/** What {@code rmt attention} found, for people and as JSON. */
final class AttentionReport {
    static final String FILE = "attention.json";

    private static final Table TABLE = new Table(List.of(
            new Table.Column("operation", 16),
            new Table.Column("segment", 7),
            new Table.Column("layer", 5),
            new Table.Column("head", 4),
            new Table.Column("to facts", 8),
            new Table.Column("to memory", 9),
            new Table.Column("if even", 7),
            new Table.Column("is the share of", 0)));

    private AttentionReport() {}

    static void print(PrintStream out, RmtModel model, AttentionRun run, AttentionSample.Chosen sample, Answer answer) {
        int segmentSize = model.config().segmentSize();
        if (sample != null) {
            out.println("sample     " + sample.number() + " of " + sample.kind() + ", "
                    + sample.sample().segments() + " segments, placement " + sample.placement());
            for (Placed fact : sample.sample().facts()) {
                out.println("fact       segment " + fact.position() / segmentSize + ": " + fact.text());
            }
            out.println("question   " + sample.sample().question().text());
        } else {
            out.println("segments   " + Text.count(run.count()));
        }
        if (answer != null) {
            String verdict = sample == null
                    ? ""
                    : answer.label().equals(sample.sample().answer())
                            ? ", which is right"
                            : ", which is wrong: it is " + sample.sample().answer();
            out.println("answer     " + answer.label() + " (" + Text.percent(answer.probability()) + ")" + verdict);
        }
        out.println();
        if (run.operations().isEmpty()) {
            out.println("No operation of memory can be looked for: "
                    + (run.states().numMemTokens() == 0
                            ? "the model has no memory tokens."
                            : "that takes a sample with facts, a question, or more than one segment."));
        } else {
            out.println(TABLE.header());
            run.operations()
                    .forEach(seen -> out.println(TABLE.row(List.of(
                            seen.operation().title(),
                            Text.count(seen.segment()),
                            String.valueOf(seen.layer()),
                            String.valueOf(seen.head()),
                            Text.percent(seen.toFact()),
                            Text.percent(seen.toMemory()),
                            Text.percent(seen.evenly()),
                            seen.operation().meaning()))));
        }
        printMemory(out, run);
    }

    private static void printMemory(PrintStream out, AttentionRun run) {
        MemoryStates states = run.states();
        if (states.size() < 2 || states.numMemTokens() == 0) {
            return;
        }
        int most = 1;
        for (int state = 2; state < states.size(); state++) {
            // What the first segment does to the initial memory is no measure of a fact.
            most = state == 2 || states.distance(state - 1, state) > states.distance(most - 1, most) ? state : most;
        }
        out.println();
        out.println("memory     moved by " + Text.number(states.distance(0, 1)) + " in segment 0"
                + (states.size() == 2
                        ? ""
                        : ", later most in segment " + (most - 1) + ": by "
                                + Text.number(states.distance(most - 1, most))));
    }

    static ObjectNode json(
            AttentionRun run,
            RmtModel model,
            String modelName,
            long seed,
            AttentionSample.Chosen sample,
            Answer answer) {
        ObjectNode node = Json.object();
        node.put("version", Version.CURRENT);
        node.put("device", model.deviceInfo().name());
        node.put("model", modelName);
        node.put("model_sha256", model.sha256());
        node.put("trained", model.trained());
        node.put("segment_count", run.count());
        if (sample != null) {
            node.set("sample", describe(sample, model.config().segmentSize()));
            node.put("seed", seed);
        }
        if (answer != null) {
            ObjectNode given = node.putObject("answer");
            given.put("label", answer.label()).put("probability", answer.probability());
            if (sample != null) {
                given.put("right", answer.label().equals(sample.sample().answer()));
            }
        }
        ArrayNode operations = node.putArray("operations");
        for (MemoryOperation.Seen seen : run.operations()) {
            operations
                    .addObject()
                    .put("operation", seen.operation().toString())
                    .put("segment", seen.segment())
                    .put("layer", seen.layer())
                    .put("head", seen.head())
                    .put("share", seen.share())
                    .put("to_facts", seen.toFact())
                    .put("to_memory", seen.toMemory())
                    .put("if_even", seen.evenly());
        }
        node.set("segments", run.segments());
        run.writeMemory(node);
        return node;
    }

    private static ObjectNode describe(AttentionSample.Chosen chosen, int segmentSize) {
        TaskSample sample = chosen.sample();
        ObjectNode node = Json.object();
        node.put("task", chosen.kind().toString());
        node.put("placement", chosen.placement().toString());
        node.put("number", chosen.number());
        node.put("segments", sample.segments());
        ArrayNode facts = node.putArray("facts");
        for (Placed fact : sample.facts()) {
            facts.addObject()
                    .put("text", fact.text())
                    .put("segment", fact.position() / segmentSize)
                    .put("first_token", fact.position())
                    .put("tokens", fact.tokens());
        }
        node.put("question", sample.question().text());
        node.put("answer", sample.answer());
        return node;
    }
}
