package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.rmt.task.MemoryTask;
import dev.rmt.task.Noise;
import dev.rmt.task.Placement;
import dev.rmt.task.ProseGenerator;
import dev.rmt.task.ReasonFacts;
import dev.rmt.task.Split;
import dev.rmt.task.TaskKind;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import dev.rmt.text.WordPieceTrainer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The vocabulary in the jar is what {@code init}'s trainer makes of the built-in prose and the sentences of the tasks. Where
 * the prose or the trainer has changed on purpose, {@code -Drmt.writeVocabulary=src/main/resources/dev/rmt/cli/vocab.txt}
 * writes it anew.
 */
class BuiltInVocabularyTest {
    private static final int SIZE = 2000;
    private static final int PROSE_CHARACTERS = 2_000_000;
    private static final int SAMPLES_OF_A_TASK = 3000;
    /** What printed English has beside ASCII: curly quotes, dashes, an ellipsis, a pound. */
    private static final String TYPOGRAPHY = "\u201c \u201d \u2018 \u2019 \u2013 \u2014 \u2026 \u00a3 \u00a7";

    @Test
    void theBuiltInVocabularyIsWhatTheTrainerMakes() throws IOException {
        Vocabulary made = make();
        String target = System.getProperty("rmt.writeVocabulary");
        if (target != null) {
            made.write(Path.of(target));
        }
        assertThat(Vocabularies.builtIn().vocabulary().pieces()).isEqualTo(made.pieces());
    }

    private static Vocabulary make() throws IOException {
        WordPieceTrainer trainer = new WordPieceTrainer(WordPieceTrainer.Options.ofSize(SIZE));
        StringBuilder prose = new StringBuilder();
        new ProseGenerator(1).write(prose, PROSE_CHARACTERS);
        trainer.read(prose);
        trainer.read(TYPOGRAPHY);
        for (TaskKind kind : TaskKind.values()) {
            MemoryTask task = task(kind, spellingTokenizer());
            for (int i = 0; i < SAMPLES_OF_A_TASK; i++) {
                trainer.read(task.sample(i, 1).text() + "\n");
            }
        }
        return trainer.train();
    }

    private static MemoryTask task(TaskKind kind, WordPieceTokenizer tokenizer) {
        return new MemoryTask(
                kind,
                Placement.ANY,
                tokenizer,
                Noise.generated(tokenizer, 1),
                ReasonFacts.generated(),
                499,
                Split.TRAINING);
    }

    /** One that knows letters only: enough to tell the tasks in. */
    private static WordPieceTokenizer spellingTokenizer() {
        List<String> pieces = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
        for (char c = '!'; c <= '~'; c++) {
            if (!Character.isUpperCase(c)) {
                pieces.add(String.valueOf(c));
                pieces.add("##" + c);
            }
        }
        return new WordPieceTokenizer(Vocabulary.of(pieces), WordPieceOptions.defaults());
    }

    @Test
    void anyAsciiTextCanBeSpelled() {
        WordPieceTokenizer tokenizer = Vocabularies.builtIn();
        StringBuilder text = new StringBuilder();
        for (char c = ' '; c <= '~'; c++) {
            text.append(c).append(' ').append('q').append(c).append('z').append(' ');
        }
        assertThat(tokenizer.encode(text)).doesNotContain(tokenizer.vocabulary().unkId());
    }

    @Test
    void theWordsOfTheTasksAreWhole() {
        WordPieceTokenizer tokenizer = Vocabularies.builtIn();
        for (String place : DefaultModel.LABELS) {
            assertThat(tokenizer.encode(place)).as(place).hasSize(1);
        }
    }
}
