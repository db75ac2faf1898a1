package dev.rmt.cli;

import dev.rmt.InputException;
import dev.rmt.checkpoint.BuiltInModel;
import dev.rmt.checkpoint.ModelDirectory;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import dev.rmt.text.WordPieceTrainer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Where the vocabulary of a new model comes from. */
final class Vocabularies {
    static final int DEFAULT_SIZE = 8000;

    private Vocabularies() {}

    /** The vocabulary of the built-in model: general English in lower case; any text in ASCII can be spelled. */
    static WordPieceTokenizer builtIn() {
        return BuiltInModel.open(ModelDirectory::tokenizer);
    }

    /** A given {@code vocab.txt}. It is taken as cased if one of its pieces, special tokens apart, has a capital. */
    static WordPieceTokenizer ofFile(Path file) {
        InputFile.requireReadable("--vocab ", file);
        Vocabulary vocabulary = Vocabulary.ofFile(file);
        boolean cased = vocabulary.pieces().stream()
                .filter(piece -> !(piece.startsWith("[") && piece.endsWith("]")))
                .anyMatch(piece -> piece.chars().anyMatch(Character::isUpperCase));
        WordPieceOptions uncased = WordPieceOptions.defaults();
        return new WordPieceTokenizer(
                vocabulary, cased ? new WordPieceOptions(false, null, uncased.chineseChars()) : uncased);
    }

    /** Lower-case pieces of the given texts, at most {@code size}. */
    static WordPieceTokenizer fromTexts(List<Path> texts, int size) throws IOException {
        WordPieceTrainer trainer = new WordPieceTrainer(WordPieceTrainer.Options.ofSize(size));
        for (Path text : texts) {
            InputFile.requireReadable("--vocab-from ", text);
        }
        for (Path text : texts) {
            if (Files.size(text) == 0) {
                throw new InputException("--vocab-from " + text + ": the file is empty.");
            }
            try (InputStream in = Files.newInputStream(text)) {
                trainer.read(in);
            }
        }
        return new WordPieceTokenizer(trainer.train(), WordPieceOptions.defaults());
    }
}
