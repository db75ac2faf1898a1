package dev.rmt.task;

import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Cuts a stream of characters into sentences, simply: at white space behind {@code . ! ?} (and closing quotes), and at
 * blank lines. A full stop behind an abbreviation or an initial does not end a sentence, nor does a closing quote when a
 * small letter follows ({@code "Where?" asked Ruth}): a sentence too long loses a little noise, one too short could let half a
 * fact through. Text without any such end is cut at {@value #MAX_SENTENCE} characters, so room is bounded.
 */
final class SentenceSplitter {
    static final int MAX_SENTENCE = 2000;

    private static final String CLOSERS = "\"')]}*_\u201D\u2019\u00BB";
    private static final Set<String> ABBREVIATIONS = Set.of(
            "mr", "mrs", "ms", "messrs", "dr", "st", "mt", "prof", "rev", "hon", "capt", "col", "gen", "lieut", "lt",
            "sgt", "maj", "jr", "sr", "esq", "vs", "vol", "no", "viz", "cf", "fig");

    private final Consumer<CharSequence> sentences;
    private final StringBuilder sentence = new StringBuilder();
    private boolean empty = true; // nothing but white space so far
    private boolean inSpace = true;
    private boolean ends; // what stands before the white space being read ends a sentence
    private boolean endsQuoted; // ... if no small letter follows
    private int newlines; // in the white space being read

    /** @param sentences gets each sentence with the white space behind it; the buffer is used again afterwards */
    SentenceSplitter(Consumer<CharSequence> sentences) {
        this.sentences = sentences;
    }

    void feed(CharSequence text) {
        for (int i = 0; i < text.length(); i++) {
            feed(text.charAt(i));
        }
    }

    private void feed(char c) {
        if (Character.isWhitespace(c)) {
            space(c);
        } else {
            if (inSpace && (ends || (endsQuoted && !Character.isLowerCase(c)))) {
                flush();
            }
            // Without any white space the cut falls somewhere, but not between the halves of a surrogate pair.
            if (sentence.length() >= 2 * MAX_SENTENCE && !Character.isLowSurrogate(c)) {
                flush();
            }
            sentence.append(c);
            empty = false;
            inSpace = false;
        }
    }

    private void space(char c) {
        if (!inSpace) {
            inSpace = true;
            newlines = 0;
            findEnd();
        }
        newlines += c == '\n' ? 1 : 0;
        if (!empty) {
            sentence.append(c);
            if (newlines >= 2) {
                flush();
            }
        }
    }

    /** Ends the sentence that is being read: the text ends here. */
    void finish() {
        flush();
        inSpace = true;
        newlines = 0;
    }

    private void flush() {
        if (!empty) {
            sentences.accept(sentence);
        }
        sentence.setLength(0);
        empty = true;
        ends = false;
        endsQuoted = false;
    }

    /** Looks whether what has been read so far can be a whole sentence. */
    private void findEnd() {
        int end = sentence.length();
        while (end > 0 && CLOSERS.indexOf(sentence.charAt(end - 1)) >= 0) {
            end--;
        }
        char last = end == 0 ? ' ' : sentence.charAt(end - 1);
        boolean stop =
                last == '!' || last == '?' || last == '\u2026' || (last == '.' && !endsWithAbbreviation(end - 1));
        endsQuoted = stop && end < sentence.length();
        ends = (stop && !endsQuoted) || sentence.length() >= MAX_SENTENCE;
    }

    /** Whether the word before {@code end} is a known abbreviation or a single letter. */
    private boolean endsWithAbbreviation(int end) {
        int start = end;
        while (start > 0 && end - start < 8 && Character.isLetter(sentence.charAt(start - 1))) {
            start--;
        }
        if (end - start == 1) {
            return true;
        }
        return end > start
                && ABBREVIATIONS.contains(sentence.substring(start, end).toLowerCase(Locale.ROOT));
    }
}
