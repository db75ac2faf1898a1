package dev.rmt.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtBatch;
import dev.rmt.RmtException;
import dev.rmt.RmtModel;
import dev.rmt.SegmentAlignment;
import dev.rmt.Segmentation;
import dev.rmt.flops.ExactFlops;
import dev.rmt.text.TokenSource;
import java.io.PrintStream;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** What the kernels of this processor execute, as a table and as JSON, beside what they would without filling up. */
final class ExactTable {
    private static final String REFERENCE = "reference";
    private static final SegmentAlignment ALIGNMENT = SegmentAlignment.RIGHT;

    private final PrintStream out;
    private final ArrayNode results;
    private final Device device = Device.cpu();
    private final String isa = device.info().isa();

    ExactTable(PrintStream out, ArrayNode results) {
        this.out = out;
        this.results = results;
    }

    void print(Map<String, FlopsModel> models, List<Long> lengths) {
        int widest = FlopsCommand.widest(lengths);
        Table table = new Table(List.of(
                new Table.Column("model", 12),
                new Table.Column("tokens", widest),
                new Table.Column("segments", widest),
                new Table.Column("executed", 9),
                new Table.Column("of it to fill up", 16),
                new Table.Column("for each token", 14)));
        out.println("Executed by the kernels of this program (" + isa + "), in products of matrices:");
        out.println();
        out.println(table.header());
        models.forEach((name, model) -> model.config()
                .ifPresent(config -> lengths.forEach(length -> {
                    BigInteger executed = ExactFlops.of(config, isa).text(length, ALIGNMENT);
                    BigInteger needed = ExactFlops.of(config, REFERENCE).text(length, ALIGNMENT);
                    long segments = new Segmentation(length, config.segmentSize(), ALIGNMENT).count();
                    out.println(table.row(List.of(
                            name,
                            Text.count(length),
                            Text.count(segments),
                            Text.power(executed.doubleValue()),
                            Text.percent(1 - needed.doubleValue() / executed.doubleValue()),
                            Text.count(
                                    executed.divide(BigInteger.valueOf(length)).longValue()))));
                    ObjectNode row = results.addObject();
                    row.put("model", name);
                    row.put("tokens", length);
                    row.put("segments", segments);
                    row.put("instruction_set", isa);
                    row.put("flops", executed);
                    row.put("flops_without_filling", needed);
                })));
        out.println();
        models.forEach((name, model) -> {
            if (model.config().isEmpty()) {
                out.println(name + ": not BERT, so these kernels cannot run it.");
            }
            model.load().ifPresent(load -> out.println(name + ": " + checked(load)));
        });
    }

    /** Has the kernels count two segments, and compares. */
    private String checked(Function<Device, RmtModel> load) {
        try (RmtModel model = load.apply(device);
                RmtBatch batch = model.newBatch(1)) {
            ModelConfig config = model.config();
            long tokens = config.segmentSize() + 1L;
            TokenSource text = (ids, offset, length) -> {
                Arrays.fill(
                        ids,
                        offset,
                        offset + length,
                        model.tokenizer().vocabulary().unkId());
                return length;
            };
            batch.read(List.of(text), new long[] {tokens}, ALIGNMENT);
            long counted = device.operations().orElseThrow();
            long expected = ExactFlops.of(config, isa).text(tokens, ALIGNMENT).longValueExact();
            if (counted != expected) {
                throw new RmtException("The kernels counted " + counted + " operations for " + tokens
                        + " tokens and the formula says " + expected + ": a bug in rmt.");
            }
            return "the kernels counted " + Text.count(counted) + " operations for " + Text.count(tokens)
                    + " tokens, as many as the formula says.";
        }
    }
}
