package dev.rmt.task;

import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import dev.rmt.text.WordPieceTrainer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Makes the vocabulary of the model in the box: general English in lower case, out of books and as much prose of today, by
 * {@link ProseGenerator}, as the books lack. Nothing in it is chosen by the tasks. The same texts give the same vocabulary.
 *
 * <pre>{@code
 * mvn -pl java/core test-compile
 * java -cp java/core/target/classes:java/core/target/test-classes dev.rmt.task.EnglishVocabulary vocab.txt 6000 book.txt ... [--check unseen.txt ...]
 * }</pre>
 *
 * It prints how much of each text after {@code --check} cannot be spelled.
 */
public final class EnglishVocabulary {
    static final int PROSE_CHARACTERS = 1_000_000;
    static final long PROSE_SEED = 1;
    /** What printed English has beside ASCII: quotes, dashes, ellipsis, signs. Accents are stripped before. */
    static final String TYPOGRAPHY =
            "\u2018 \u2019 \u201a \u201c \u201d \u201e \u2039 \u203a \u00ab \u00bb \u2010 \u2011 \u2012"
                    + " \u2013 \u2014 \u2015 \u2026 \u2020 \u2021 \u2022 \u00a1 \u00a2 \u00a3 \u00a5 \u20ac \u00a7 \u00a9 \u00ae \u2122 \u00b0"
                    + " \u00b1 \u00b6 \u00b7 \u00bf \u00d7 \u00f7 \u00bd \u00bc \u00be \u2032 \u2033 \u00e6 \u0153 \u00f8 \u00df \u00f0 \u00fe"
                    + " a\u00e6a o\u0153o o\u00f8o s\u00dfs";

    private EnglishVocabulary() {}

    public static void main(String[] args) throws IOException {
        if (args.length < 3) {
            System.err.println("EnglishVocabulary OUT SIZE TEXT... [--check TEXT...]");
            System.exit(2);
        }
        List<String> arguments = Arrays.asList(args);
        int check = arguments.contains("--check") ? arguments.indexOf("--check") : args.length;
        List<Path> texts = arguments.subList(2, check).stream().map(Path::of).toList();
        Vocabulary vocabulary = make(Integer.parseInt(args[1]), texts);
        vocabulary.write(Path.of(args[0]));
        System.out.printf(Locale.ROOT, "%s: %,d pieces%n", args[0], vocabulary.size());
        WordPieceTokenizer tokenizer = new WordPieceTokenizer(vocabulary, WordPieceOptions.defaults());
        for (String name : arguments.subList(Math.min(check + 1, args.length), args.length)) {
            int[] ids = tokenizer.encode(Files.readString(Path.of(name)));
            long unknown =
                    Arrays.stream(ids).filter(id -> id == vocabulary.unkId()).count();
            System.out.printf(
                    Locale.ROOT, "%s: %,d tokens, %.3f %% [UNK]%n", name, ids.length, 100.0 * unknown / ids.length);
        }
    }

    /** The vocabulary of these texts and the built-in prose. */
    static Vocabulary make(int size, List<Path> texts) throws IOException {
        WordPieceTrainer trainer = new WordPieceTrainer(WordPieceTrainer.Options.ofSize(size));
        for (Path text : texts) {
            try (InputStream in = Files.newInputStream(text)) {
                trainer.read(in);
            }
        }
        StringBuilder prose = new StringBuilder();
        new ProseGenerator(PROSE_SEED).write(prose, PROSE_CHARACTERS);
        trainer.read(prose);
        trainer.read(TYPOGRAPHY);
        return trainer.train();
    }
}
