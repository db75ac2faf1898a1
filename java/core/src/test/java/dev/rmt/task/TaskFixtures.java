package dev.rmt.task;

import static org.assertj.core.api.Assertions.assertThat;

import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Tokenizers and noise that the tests of this package share. */
final class TaskFixtures {
    /** How many different noise words {@link #tokenizer()} knows: n0, n1, ... A prime, so that nothing else divides it. */
    static final int NOISE_WORDS = 997;

    private TaskFixtures() {}

    /** Knows every word of the tasks, the noise words, and every other word letter by letter. */
    static WordPieceTokenizer tokenizer() {
        List<String> pieces = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
        for (char c = 33; c < 127; c++) {
            if (!Character.isUpperCase(c)) {
                pieces.add(String.valueOf(c));
                pieces.add("##" + c);
            }
        }
        IntStream.range(0, NOISE_WORDS).forEach(i -> pieces.add("n" + i));
        Stream.of(
                        TaskWords.movements(),
                        TaskWords.movementQuestions(),
                        TaskWords.relations(),
                        TaskWords.relationQuestions())
                .flatMap(List::stream)
                .flatMap(sentence ->
                        Arrays.stream(sentence.toLowerCase(Locale.ROOT).split("[^a-z]+")))
                .distinct()
                .forEach(pieces::add);
        return new WordPieceTokenizer(Vocabulary.of(pieces), WordPieceOptions.defaults());
    }

    /** Noise whose token number i is the word "n" + i. */
    static Noise countingNoise(WordPieceTokenizer tokenizer, Path folder) throws IOException {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < NOISE_WORDS; i++) {
            text.append('n').append(i).append(i % 10 == 9 ? "\n" : " ");
        }
        Path file = folder.resolve("counting.txt");
        Files.writeString(file, text);
        Noise noise = Noise.files(List.of(file), tokenizer);
        assertThat(noise.tokens()).isEqualTo(NOISE_WORDS);
        return noise;
    }

    static int[] readAll(TaskSample sample) {
        int[] ids = new int[Math.toIntExact(sample.length()) + 1];
        int length = 0;
        for (int n = sample.read(ids, 0, ids.length); n > 0; n = sample.read(ids, length, ids.length - length)) {
            length += n;
        }
        return Arrays.copyOf(ids, length);
    }

    /** Pearson's chi-square of these counts against equal shares. */
    static double chiSquare(int... counts) {
        double expected = Arrays.stream(counts).sum() / (double) counts.length;
        return Arrays.stream(counts)
                .mapToDouble(c -> (c - expected) * (c - expected) / expected)
                .sum();
    }

    /** The 99.99 % quantile of chi-square (Wilson and Hilferty): a fair draw stays below it for nearly every seed. */
    static double chiSquareBound(int cells) {
        double df = cells - 1;
        double z = 3.719;
        return df * Math.pow(1 - 2 / (9 * df) + z * Math.sqrt(2 / (9 * df)), 3);
    }

    /** A file or folder of the data that is kept beside the repository, if it is there. */
    static Optional<Path> sharedData(String name) {
        Path folder = Path.of("").toAbsolutePath();
        while (folder != null && !Files.exists(folder.resolve("native/include/rmt/rmt.h"))) {
            folder = folder.getParent();
        }
        if (folder == null) {
            return Optional.empty();
        }
        Path path = folder.resolve("../shared/data").resolve(name).normalize();
        return Files.exists(path) ? Optional.of(path) : Optional.empty();
    }
}
