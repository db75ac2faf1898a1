package dev.rmt.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.flops.PaperFlops;
import dev.rmt.flops.TransformerSize;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code rmt flops}: what reading costs, with memory and with full attention. */
@Command(
        name = "flops",
        header = "Count the operations of RMT and of full attention.",
        customSynopsis = "java -jar rmt.jar flops [OPTIONS]",
        description = {
            "",
            "Counts the floating-point operations of reading a text once: with RMT, segment by segment, and with attention of"
                    + " every token to all others. The formula is the paper's (segments of 512 tokens, memory tokens not"
                    + " counted); --exact counts what the kernels of this program execute. Nothing is measured here and no"
                    + " model is run, but that --exact has the kernels count two segments."
        },
        footer = {
            "  Figure 3 of the paper, as a table and as a picture:",
            "    java -jar rmt.jar flops --plot flops.png",
            "  Its two factors, 295.07 and 29.015:",
            "    java -jar rmt.jar flops --models opt-125m,opt-175b --tokens 2048000 \\",
            "        --json flops.json",
            "  What reading with a model of yours costs, to the operation:",
            "    java -jar rmt.jar flops --models my-model --tokens 499,2043904 --exact"
        })
final class FlopsCommand implements Callable<Integer> {
    private static final List<String> FIGURE_3 = List.of("opt-125m", "opt-1.3b", "opt-6.7b", "opt-30b", "opt-175b");

    @Option(
            names = "--models",
            paramLabel = "MODEL",
            split = ",",
            description = {
                "opt-125m, opt-350m, opt-1.3b, opt-2.7b, opt-6.7b, opt-13b, opt-30b, opt-66b, opt-175b, bert-base, bert-large,"
                        + " gpt2, gpt2-medium, gpt2-large, gpt2-xl, built-in, or folders with a model; with commas (default:"
                        + " the five of the paper's figure; with --exact the built-in one)."
            })
    private List<String> models;

    @Option(
            names = "--tokens",
            paramLabel = "N",
            split = ",",
            converter = Converters.Tokens.class,
            description = "Lengths of the text, with commas (default: 512,8192,128000,2048000).")
    private List<Long> tokens = List.of(512L, 8_192L, 128_000L, 2_048_000L);

    @Option(
            names = "--exact",
            description = {
                "Count what the kernels of this program execute on this processor too: memory tokens, what fills up panels, only"
                        + " those rows of the last layer that are read. For models that it can run: built-in, folders and BERT."
            })
    private boolean exact;

    @Option(names = "--json", paramLabel = "FILE", description = "Write the results as JSON too.")
    private Path json;

    @Option(
            names = "--plot",
            paramLabel = "FILE",
            converter = Converters.PictureFile.class,
            description = "Draw the paper's count against the length, as PNG or SVG by the name of the file.")
    private Path plot;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        if (json != null) {
            OutputFile.requireWritable("--json", json);
        }
        List<Long> lengths = List.copyOf(new LinkedHashSet<>(tokens));
        List<String> names = models != null ? models : exact ? List.of("built-in") : FIGURE_3;
        Map<String, FlopsModel> chosen = new LinkedHashMap<>();
        for (String name : names) {
            chosen.computeIfAbsent(name.trim(), it -> FlopsModel.find(it, spec.commandLine()));
        }
        PrintStream out = System.out;
        ObjectNode all = Json.object();
        printPaper(out, chosen, lengths, all.putArray("results"));
        if (exact) {
            out.println();
            new ExactTable(out, all.putArray("exact")).print(chosen, lengths);
        }
        if (json != null) {
            OutputFile.write(json, Json.bytes(all));
        }
        if (plot != null) { // last: a picture that cannot be drawn takes no result with it
            Map<String, TransformerSize> sizes = new LinkedHashMap<>();
            chosen.forEach((name, model) -> sizes.put(name, model.size()));
            FlopsChart.save("--plot", plot, sizes, lengths);
        }
        return ExitCodes.OK;
    }

    private static void printPaper(
            PrintStream out, Map<String, FlopsModel> models, List<Long> lengths, ArrayNode results) {
        Table table = new Table(List.of(
                new Table.Column("model", 12),
                new Table.Column("tokens", widest(lengths)),
                new Table.Column("RMT", 9),
                new Table.Column("full attention", 14),
                new Table.Column("times fewer", 11)));
        out.println("Floating-point operations, by the paper's formula:");
        out.println();
        out.println(table.header());
        models.forEach((name, model) -> lengths.forEach(length -> {
            PaperFlops flops = PaperFlops.of(model.size(), length);
            out.println(table.row(List.of(
                    name,
                    Text.count(length),
                    Text.power(flops.rmt()),
                    Text.power(flops.fullAttention()),
                    fiveDigits(flops.reduction()))));
            ObjectNode row = results.addObject();
            row.put("model", name);
            row.put("tokens", length);
            row.put("rmt_flops", flops.rmt());
            row.put("full_attention_flops", flops.fullAttention());
            row.put("reduction", flops.reduction());
        }));
    }

    /** Characters of the longest length, and at least a few. */
    static int widest(List<Long> lengths) {
        return lengths.stream().mapToInt(length -> Text.count(length).length()).reduce(9, Math::max);
    }

    private static String fiveDigits(double value) {
        return value < 1e5 ? String.format(Locale.ROOT, "%.5g", value) : Text.power(value);
    }
}
