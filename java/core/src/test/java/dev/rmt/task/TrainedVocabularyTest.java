package dev.rmt.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.rmt.text.WordPieceTokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class TrainedVocabularyTest {
    @Test
    void aModelThatWasTrainedOnTheTasksKnowsEveryWordOfThemAsOnePiece() {
        Optional<Path> model = TaskFixtures.sharedData("trained-small");
        assumeTrue(model.isPresent(), "skipped: no model in ../shared/data/trained-small");
        WordPieceTokenizer tokenizer = WordPieceTokenizer.load(model.get());
        int unkId = tokenizer.vocabulary().unkId();
        Stream.of(
                        TaskWords.movements(),
                        TaskWords.movementQuestions(),
                        TaskWords.relations(),
                        TaskWords.relationQuestions())
                .flatMap(List::stream)
                .forEach(sentence -> {
                    int words = sentence.split(" ").length + 1; // and the mark at the end
                    assertThat(tokenizer.encode(sentence)).as(sentence).hasSize(words);
                    assertThat(Arrays.stream(tokenizer.encode(sentence))).doesNotContain(unkId);
                });
    }
}
