package consumer;

import dev.rmt.Answer;
import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.checkpoint.ModelWriter;
import dev.rmt.checkpoint.RandomWeights;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Reads a text and asks about it, as the README shows it, through the public API alone. Ends with 0 if that works. */
public final class ReadABook {
    private static final List<String> PLACES = List.of("garden", "kitchen", "office");

    private ReadABook() {}

    /** @param arguments a name for what this run shows */
    public static void main(String[] arguments) throws IOException {
        System.out.println(arguments[0] + ": " + run());
    }

    /** Writes a small untrained model and a book, reads the one with the other. */
    public static String run() throws IOException {
        Path folder = Files.createTempDirectory("rmt-consumer");
        Path directory = folder.resolve("model");
        writeModel(directory);
        Path book = Files.writeString(folder.resolve("book.txt"), "Daniel went to the kitchen. It was late. ".repeat(1000));

        try (RmtModel model = RmtModel.load(directory, Device.best());
                RmtSession session = model.newSession()) {
            session.read(book);
            Answer answer = session.ask("Where is Daniel?");

            session.save(folder.resolve("memory.rmt"));
            if (!PLACES.contains(answer.label()) || session.memory().segments() < 2) {
                throw new AssertionError(answer + " after " + session.memory());
            }
            return answer.label() + " after " + session.memory().segments() + " segments, memory "
                    + session.memory().sha256();
        }
    }

    /** A vocabulary of single characters: any text in lower-case ASCII can be spelled. */
    static WordPieceTokenizer tokenizer() {
        List<String> pieces = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
        for (char c = '!'; c <= '~'; c++) {
            if (!Character.isUpperCase(c)) {
                pieces.add(String.valueOf(c));
                pieces.add("##" + c);
            }
        }
        return new WordPieceTokenizer(Vocabulary.of(pieces), WordPieceOptions.defaults());
    }

    private static void writeModel(Path directory) {
        WordPieceTokenizer tokenizer = tokenizer();
        ModelConfig config = ModelConfig.builder()
                .hiddenSize(32)
                .numLayers(2)
                .numHeads(2)
                .intermediateSize(64)
                .vocabSize(tokenizer.vocabulary().size())
                .maxPositions(128)
                .inputLength(128)
                .labels(PLACES)
                .build();
        ModelWriter.write(directory, config, tokenizer, new RandomWeights(config, 1));
    }
}
