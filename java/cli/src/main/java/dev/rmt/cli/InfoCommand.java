package dev.rmt.cli;

import dev.rmt.LoadOptions;
import dev.rmt.ModelConfig;
import dev.rmt.checkpoint.ModelDirectory;
import dev.rmt.checkpoint.Weights;
import dev.rmt.text.Vocabulary;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code rmt info}: what a model directory holds. */
@Command(
        name = "info",
        header = "Say what a model directory holds.",
        customSynopsis = "java -jar rmt.jar info DIR",
        description = {
            "",
            "Says what a model directory holds: shape, memory, segments, labels, vocabulary, every parameter, and what a"
                    + " load would make up or ignore."
        },
        footer = {"  java -jar rmt.jar info my-model"})
final class InfoCommand implements Callable<Integer> {
    @Parameters(paramLabel = "DIR", description = "A Hugging Face BERT directory.")
    private Path directory;

    @Override
    public Integer call() throws IOException {
        try (ModelDirectory model = ModelDirectory.open(directory, OptionalInt.empty(), LoadOptions.MemoryRows.AUTO)) {
            print(System.out, model);
        }
        return ExitCodes.OK;
    }

    private void print(PrintStream out, ModelDirectory model) {
        ModelConfig config = model.config();
        Vocabulary vocabulary = model.tokenizer().vocabulary();
        Weights weights = model.weights();
        long parameters = weights.names().stream()
                .mapToLong(name -> elements(weights.shape(name)))
                .sum();

        out.println("model       " + directory);
        out.println("encoder     BERT, " + config.numLayers() + " layers of " + config.hiddenSize() + ", "
                + config.numHeads() + " heads, feed-forward " + config.intermediateSize());
        out.println(
                "segment     " + config.inputLength() + " positions: " + config.segmentSize() + " tokens of content, "
                        + config.numMemTokens() + " memory tokens, " + ModelConfig.SPECIAL_TOKENS + " special tokens"
                        + (model.hasRmtObject() ? "" : " (config.json has no \"rmt\" object: these are defaults)"));
        out.println("labels      " + (config.labels().isEmpty() ? "none" : String.join(", ", config.labels())));
        out.println("vocabulary  " + Text.count(vocabulary.size()) + " pieces, "
                + (model.tokenizer().options().lowerCase() ? "lower case" : "cased"));
        out.println("parameters  " + Text.count(parameters) + ", " + Text.bytes(4 * parameters) + " as fp32");
        out.println("sha256      " + model.sha256());
        model.notices().forEach(notice -> out.println("notice      " + notice));
        out.println();
        Table table = new Table(List.of(
                new Table.Column("tensor", 52), new Table.Column("shape", 14), new Table.Column("parameters", 12)));
        out.println(table.header());
        for (String name : weights.names()) {
            long[] shape = weights.shape(name);
            out.println(table.row(List.of(
                    name,
                    Arrays.stream(shape).mapToObj(Long::toString).collect(Collectors.joining(" x ")),
                    Text.count(elements(shape)))));
        }
    }

    private static long elements(long[] shape) {
        return Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }
}
