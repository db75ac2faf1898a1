package dev.rmt.train;

import dev.rmt.ModelConfig;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.Noise;
import dev.rmt.task.NoiseMix;
import dev.rmt.task.TrainingText;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Predicate;

/** A small vocabulary, noise and settings that the tests of training documents share. */
final class TrainingFixtures {
    static final int MEM_TOKENS = 10;
    static final int FIRST_CONTENT = 2 + MEM_TOKENS;

    private static final String WORDS = "mary john daniel sandra moved went back journeyed travelled to the is of what"
            + " where bathroom hallway garden office bedroom kitchen north south east west once upon a time there was sea and"
            + " ship sailor bread water stone house door window light summer winter";

    static final WordPieceTokenizer TOKENIZER = tokenizer();
    static final Noise NOISE = Noise.generated(TOKENIZER, 3);
    static final TrainingText TEXT = new TrainingText(TOKENIZER, NOISE);
    static final ModelConfig CONFIG = ModelConfig.builder()
            .hiddenSize(16)
            .numLayers(3)
            .numHeads(4)
            .numMemTokens(MEM_TOKENS)
            .inputLength(77)
            .maxPositions(77)
            .vocabSize(TOKENIZER.vocabulary().size())
            .labels(MemoryTask.LABELS)
            .build();

    private TrainingFixtures() {}

    private static WordPieceTokenizer tokenizer() {
        Set<String> pieces = new LinkedHashSet<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
        for (char c = 33; c < 127; c++) {
            if (!Character.isUpperCase(c)) {
                pieces.add(String.valueOf(c));
                pieces.add("##" + c);
            }
        }
        pieces.addAll(Arrays.asList(WORDS.split(" ")));
        return new WordPieceTokenizer(Vocabulary.of(new ArrayList<>(pieces)), WordPieceOptions.defaults());
    }

    static List<ProbeSpec> probes() {
        return List.of(
                new ProbeSpec("fact", ProbeSpec.Rule.FACT_KEY, 2, 0),
                new ProbeSpec("answer", ProbeSpec.Rule.FACT_ANSWER, 2, 29),
                new ProbeSpec("memory", ProbeSpec.Rule.MEMORY, 3, 35));
    }

    static List<ProbeSpec.Use> uses() {
        return probes().stream().map(probe -> new ProbeSpec.Use(probe, 1, 0.5)).toList();
    }

    /** Three segments, all tasks, everything switched on. */
    static TaskSettings settings() {
        return new TaskSettings(
                3,
                List.of(new TaskSettings.LengthClass(3, 8, 24, 48, 0), new TaskSettings.LengthClass(1, 4, 40, 64, 0.6)),
                new TaskSettings.Questions(2, 0.3, 24, 40),
                new TaskSettings.Tasks(20, 20, 40, 20, 4, 0.5),
                new TaskSettings.Practice(0.1, 0.2),
                0.25,
                new TaskSettings.Late(0.3, 20),
                new TaskSettings.Carry(0.8, 30, 12),
                new TaskSettings.MemoryNoise(0.1, 0.7),
                new NoiseMix(0.3, 0.1, 0.1, 2));
    }

    static TaskSettings with(TaskSettings s, int segments, TaskSettings.Tasks tasks, TaskSettings.Carry carry) {
        return new TaskSettings(
                segments,
                s.lengths(),
                s.questions(),
                tasks,
                s.practice(),
                s.together(),
                s.late(),
                carry,
                s.memoryNoise(),
                s.noise());
    }

    static TaskBatches batches(TaskSettings settings, long seed) {
        return new TaskBatches(settings, source(seed, 0, uses()));
    }

    static StageData.Source source(long seed, int stage, List<ProbeSpec.Use> uses) {
        return new StageData.Source(TOKENIZER, NOISE, TEXT, CONFIG, seed, stage, 20, uses);
    }

    /**
     * What a model would have given.
     *
     * @param answers whether the question of a segment is answered rightly
     * @param probes whether a row of a probe is
     */
    static TrainingOutcome outcome(
            TrainingBatch batch, Predicate<Integer> answers, Predicate<TrainingBatch.Probe> probes, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        TrainingOutcome outcome = new TrainingOutcome(batch);
        for (int s = 0; s < batch.size(); s++) {
            TrainingBatch.Segment segment = batch.segment(s);
            float[] logits = new float[MemoryTask.LABELS.size()];
            if (segment.label() != TrainingBatch.NONE) {
                logits[answers.test(s) ? segment.label() : (segment.label() + 1) % logits.length] = 1;
            }
            int[] predictions = segment.probes().stream()
                    .mapToInt(probe -> probes.test(probe) ? probe.label() : (probe.label() + 1) % probe.numOutputs())
                    .toArray();
            float[] memory = null;
            if (segment.keepsMemory()) {
                memory = new float[CONFIG.numMemTokens() * CONFIG.hiddenSize()];
                for (int i = 0; i < memory.length; i++) {
                    memory[i] = (float) random.nextDouble();
                }
            }
            outcome.put(s, 0, logits, new double[predictions.length], predictions, memory);
        }
        return outcome;
    }

    /** A model that is always right. */
    static TrainingOutcome perfect(TrainingBatch batch, long seed) {
        return outcome(batch, segment -> true, probe -> true, seed);
    }

    static String decode(TrainingBatch.Segment segment) {
        return TOKENIZER.decode(segment.content());
    }
}
