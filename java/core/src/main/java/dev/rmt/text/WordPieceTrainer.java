package dev.rmt.text;

import dev.rmt.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Makes a WordPiece vocabulary out of text, as Hugging Face's trainer does: words begin as single characters, and the
 * pair of neighbouring pieces that is most frequent becomes a piece, again and again. Of equally frequent pairs the
 * one whose pieces have lower ids comes first, so equal texts and options give equal vocabularies.
 *
 * <p>Ids: special tokens, characters that begin a word by code point, characters that go on with one, merged pieces by
 * the order in which they were made. Heap: about 150 bytes for each distinct word. One thread at a time.
 */
public final class WordPieceTrainer {
    private static final int BUFFER_BYTES = 1 << 16;

    /**
     * What is made of the text.
     *
     * @param size pieces, special tokens included; a text that is too small gives fewer
     * @param text how the text becomes words; the tokenizer of the vocabulary must have the same
     * @param special they get the first ids
     * @param everyAsciiChar whether every printable ASCII character that can begin a word or go on with one is a piece,
     *     although it may not be in the text
     * @param maxAlphabet characters at most, the most frequent ones; words with others are left out
     * @param minFrequency a pair that occurs less often does not become a piece
     */
    public record Options(
            int size,
            WordPieceOptions text,
            SpecialTokens special,
            boolean everyAsciiChar,
            int maxAlphabet,
            int minFrequency) {
        public Options {
            if (size < 1 || maxAlphabet < 1 || minFrequency < 1) {
                throw new IllegalArgumentException("size is " + size + ", maxAlphabet " + maxAlphabet
                        + ", minFrequency " + minFrequency + "; each must be at least 1.");
            }
        }

        /** Uncased, BERT's special tokens, every ASCII character, at most 1000 characters, pairs that occur twice. */
        public static Options ofSize(int size) {
            return new Options(size, WordPieceOptions.defaults(), SpecialTokens.bert(), true, 1000, 2);
        }

        public Options withText(WordPieceOptions text) {
            return new Options(size, text, special, everyAsciiChar, maxAlphabet, minFrequency);
        }

        public Options withEveryAsciiChar(boolean everyAsciiChar) {
            return new Options(size, text, special, everyAsciiChar, maxAlphabet, minFrequency);
        }
    }

    /** How often a word occurs. */
    private static final class Count {
        long value;
    }

    private final Options options;
    private final CharacterMap characters;
    private final WordReader reader;
    private final Map<String, Count> words = new HashMap<>();

    public WordPieceTrainer(Options options) {
        this.options = options;
        this.characters = new CharacterMap(options.text());
        this.reader = new WordReader(characters, options.text().maxWordChars());
    }

    /** Counts the words of a text in UTF-8, to its end; the stream stays open. */
    public void read(InputStream text) throws IOException {
        byte[] buffer = new byte[BUFFER_BYTES];
        int n;
        while ((n = text.read(buffer)) >= 0) {
            reader.setBytes(buffer, 0, n);
            countWords();
        }
        finishText();
    }

    /** Counts the words of a text. */
    public void read(CharSequence text) {
        reader.setChars(text, 0, text.length());
        countWords();
        finishText();
    }

    /**
     * The vocabulary of all that has been read so far.
     *
     * @throws InputException if nothing was read, or the size has no room for the characters
     */
    public Vocabulary train() {
        if (words.isEmpty()) {
            throw new InputException("There is not one word in the text that a vocabulary is to be made of.");
        }
        Set<Integer> beginning = alphabet();
        Map<String, Long> kept = new TreeMap<>();
        Set<Integer> continuing = new TreeSet<>();
        words.forEach((word, count) -> {
            if (word.codePoints().allMatch(beginning::contains)) {
                kept.put(word, count.value);
                word.codePoints().skip(1).forEach(continuing::add);
            }
        });
        if (options.everyAsciiChar()) {
            addAscii(beginning, continuing);
        }
        Set<String> pieces = new LinkedHashSet<>(options.special().pieces());
        beginning.forEach(c -> pieces.add(Character.toString(c)));
        String prefix = options.text().continuationPrefix();
        continuing.forEach(c -> pieces.add(prefix + Character.toString(c)));
        if (pieces.size() > options.size()) {
            throw new InputException("A vocabulary of " + options.size() + " pieces has no room for the "
                    + pieces.size() + " special tokens and characters; ask for more pieces.");
        }
        PieceMerger merger = new PieceMerger(List.copyOf(pieces), prefix);
        kept.forEach(merger::addWord);
        return Vocabulary.of(merger.merge(options.size(), options.minFrequency()), options.special());
    }

    /** The characters that occur, the most frequent if they are too many; of equally frequent ones the lower. */
    private Set<Integer> alphabet() {
        Map<Integer, Count> frequencies = new TreeMap<>();
        words.forEach((word, count) ->
                word.codePoints().forEach(c -> frequencies.computeIfAbsent(c, k -> new Count()).value += count.value));
        return frequencies.entrySet().stream()
                .sorted(Comparator.comparingLong(entry -> -entry.getValue().value)) // stable
                .limit(options.maxAlphabet())
                .map(Map.Entry::getKey)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private void addAscii(Set<Integer> beginning, Set<Integer> continuing) {
        for (int c = '!'; c <= '~'; c++) {
            int action = characters.action(c);
            beginning.add(action & CharacterMap.CODE_POINT_MASK);
            if ((action & CharacterMap.KIND_MASK) == CharacterMap.LETTER) {
                continuing.add(action);
            }
        }
    }

    private void finishText() {
        if (reader.finish()) {
            countWord();
        }
    }

    private void countWords() {
        while (reader.next()) {
            countWord();
        }
    }

    private void countWord() {
        if (!reader.overlong()) {
            words.computeIfAbsent(new String(reader.word(), 0, reader.length()), k -> new Count()).value++;
        }
    }
}
