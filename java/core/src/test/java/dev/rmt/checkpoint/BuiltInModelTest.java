package dev.rmt.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.rmt.Device;
import dev.rmt.LoadOptions;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.eval.Evaluation;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.Noise;
import dev.rmt.task.Placement;
import dev.rmt.task.ProseGenerator;
import dev.rmt.task.ReasonFacts;
import dev.rmt.task.Split;
import dev.rmt.task.TaskKind;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BuiltInModelTest {
    private static final long MAX_BYTES = 16_000_000;

    @TempDir
    private Path folder;

    @Test
    void itIsAHuggingFaceDirectoryInTheGeometryOfThePaperAndSmall() throws IOException {
        BuiltInModel.extract(folder);
        try (ModelDirectory directory = ModelDirectory.open(folder, LoadOptions.defaults())) {
            ModelConfig config = directory.config();
            assertThat(List.of(config.inputLength(), config.numMemTokens(), config.segmentSize()))
                    .containsExactly(512, 10, 499);
            assertThat(config.labels()).isEqualTo(MemoryTask.LABELS);
            assertThat(directory.trained()).isTrue();
            assertThat(directory.notices()).isEmpty();
        }
        try (var files = Files.list(folder)) {
            assertThat(files.mapToLong(file -> file.toFile().length()).sum()).isLessThan(MAX_BYTES);
        }
    }

    @Test
    void itsProvenanceSaysHowItWasMade() throws IOException {
        BuiltInModel.extract(folder);
        JsonNode provenance =
                new JsonMapper().readTree(folder.resolve("provenance.json").toFile());
        for (String field : List.of("recipe", "seed", "seconds", "steps", "noise", "processor")) {
            assertThat(provenance.has(field)).as(field).isTrue();
        }
    }

    @Test
    void itsVocabularySpellsEveryPrintableCharacterAndIsNotSmall() {
        WordPieceTokenizer tokenizer = BuiltInModel.open(ModelDirectory::tokenizer);
        Vocabulary vocabulary = tokenizer.vocabulary();
        assertThat(vocabulary.size()).isGreaterThanOrEqualTo(4000);
        for (char c = '!'; c <= '~'; c++) {
            assertThat(tokenizer.encode(String.valueOf(c)))
                    .as(String.valueOf(c))
                    .hasSize(1)
                    .doesNotContain(vocabulary.unkId());
        }
    }

    @ParameterizedTest
    @EnumSource(TaskKind.class)
    void itRemembersOverSegmentsAndKnowsNothingOnceItsMemoryIsReset(TaskKind kind) {
        try (RmtModel model = RmtModel.builtIn(Device.cpu())) {
            MemoryTask task = new MemoryTask(
                    kind,
                    Placement.ANY,
                    model.tokenizer(),
                    Noise.generated(model.tokenizer(), 42),
                    ReasonFacts.generated(),
                    model.config().segmentSize(),
                    Split.VALIDATION);
            Evaluation.Builder evaluation = Evaluation.builder(model)
                    .task(task.withFactsOutsideLastSegment(true))
                    .segments(8)
                    .samples(100)
                    .batchSize(10)
                    .seed(42);
            assertThat(evaluation.build().run().accuracy()).isGreaterThanOrEqualTo(0.95);
            assertThat(evaluation.resetMemory(true).build().run().accuracy()).isLessThanOrEqualTo(0.4);
        }
    }

    @Test
    void itAnswersAboutATextThatASessionReads() throws IOException {
        StringBuilder text = new StringBuilder("The evening was warm. Daniel went to the kitchen. ");
        new ProseGenerator(5).write(text, 40_000);
        try (RmtModel model = RmtModel.builtIn(Device.cpu());
                RmtSession session = model.newSession()) {
            session.read(text);
            assertThat(session.memory().segments()).isGreaterThan(10);
            assertThat(session.ask("Where is Daniel?").label()).isEqualTo("kitchen");
        }
    }
}
