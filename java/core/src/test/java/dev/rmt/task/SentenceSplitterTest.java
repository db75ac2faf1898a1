package dev.rmt.task;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class SentenceSplitterTest {
    private static List<String> split(String text) {
        List<String> sentences = new ArrayList<>();
        SentenceSplitter splitter = new SentenceSplitter(sentence -> sentences.add(sentence.toString()));
        splitter.feed(text);
        splitter.finish();
        return sentences;
    }

    private static List<String> stripped(String text) {
        return split(text).stream().map(String::strip).toList();
    }

    @Test
    void sentencesEndAtStopsAndBlankLinesButNotAtLineEnds() {
        assertThat(stripped("It rained.  Who came? Nobody!\nThe\nroad was\nempty\n\nCHAPTER TWO\r\n\r\nAgain."))
                .containsExactly("It rained.", "Who came?", "Nobody!", "The\nroad was\nempty", "CHAPTER TWO", "Again.");
    }

    @Test
    void abbreviationsInitialsAndNumbersEndNothing() {
        assertThat(stripped("Mr. Brown met Mrs. J. Smith at 3.30 in St. Ives. They left."))
                .containsExactly("Mr. Brown met Mrs. J. Smith at 3.30 in St. Ives.", "They left.");
    }

    @Test
    void aQuotationGoesOnWhereASmallLetterFollows() {
        assertThat(stripped("\"Where is he?\" asked Ruth. \"Gone.\" \u201CWhere?\u201D He smiled."))
                .containsExactly("\"Where is he?\" asked Ruth.", "\"Gone.\"", "\u201CWhere?\u201D", "He smiled.");
    }

    @Test
    void textWithoutCapitalsIsSplitToo() {
        assertThat(stripped("it rained. nobody came! why?")).containsExactly("it rained.", "nobody came!", "why?");
    }

    @Test
    void nothingIsLostButLeadingAndOwnWhiteSpace() {
        String text = "  \n\nOne. Two\n\n\n\n three?!  ... \"Four.\" (Five.) six";
        assertThat(String.join("", split(text)).replaceAll("\\s+", "")).isEqualTo(text.replaceAll("\\s+", ""));
    }

    @Test
    void emptyTextHasNoSentences() {
        assertThat(split("")).isEmpty();
        assertThat(split(" \n\n\t \n")).isEmpty();
    }

    @Test
    void piecesOfAnySizeGiveTheSameSentences() {
        String text = "Mr. Brown came.  \"Where?\" asked he.\n\nIt was late; he left! Why? x";
        List<String> whole = split(text);
        for (int size = 1; size < 12; size++) {
            List<String> sentences = new ArrayList<>();
            SentenceSplitter splitter = new SentenceSplitter(sentence -> sentences.add(sentence.toString()));
            for (int i = 0; i < text.length(); i += size) {
                splitter.feed(text.substring(i, Math.min(text.length(), i + size)));
            }
            splitter.finish();
            assertThat(sentences).isEqualTo(whole);
        }
    }

    @Test
    void textWithoutStopsIsCutBetweenWordsAndTextWithoutSpacesAnywhereButInACharacter() {
        List<String> words = split("word ".repeat(100_000));
        assertThat(words)
                .allMatch(s -> s.length() <= SentenceSplitter.MAX_SENTENCE + 5
                        && s.startsWith("word ")
                        && s.endsWith("word "));
        assertThat(String.join("", words)).hasSize(500_000);
        List<String> runs = split("x" + "\uD83D\uDE00".repeat(50_000));
        assertThat(runs).hasSizeGreaterThan(10).allMatch(s -> !Character.isLowSurrogate(s.charAt(0)));
        assertThat(String.join("", runs)).hasSize(100_001);
    }
}
