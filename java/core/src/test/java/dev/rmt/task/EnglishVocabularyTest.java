package dev.rmt.task;

import static org.assertj.core.api.Assertions.assertThat;

import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EnglishVocabularyTest {
    @TempDir
    Path folder;

    private Vocabulary make() throws IOException {
        Path book = folder.resolve("book.txt");
        Files.writeString(book, "The quick brown fox jumps over the lazy dog. ".repeat(100));
        return EnglishVocabulary.make(3000, List.of(book));
    }

    @Test
    void itSpellsWhatItNeverSaw() throws IOException {
        Vocabulary vocabulary = make();
        WordPieceTokenizer tokenizer = new WordPieceTokenizer(vocabulary, WordPieceOptions.defaults());
        StringBuilder text =
                new StringBuilder("\u201cCaf\u00e9\u201d \u2014 na\u00efve, \u2018\u00c6sop\u2019\u2026 \u00a35 ");
        for (char c = ' '; c <= '~'; c++) {
            text.append(c).append(' ').append('q').append(c).append('z').append(' ');
        }
        assertThat(tokenizer.encode(text)).doesNotContain(vocabulary.unkId());
        assertThat(tokenizer.encode("quick brown fox")).hasSize(3);
    }

    @Test
    void theSameTextsGiveTheSameVocabulary() throws IOException {
        assertThat(make().pieces()).isEqualTo(make().pieces());
    }
}
