package dev.rmt.train;

import static dev.rmt.train.TrainingFixtures.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.rmt.ModelFormatException;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.NoiseMix;
import dev.rmt.task.ReasonFacts;
import dev.rmt.task.ReasonStory;
import dev.rmt.task.Split;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class TaskBatchesTest {
    private static final String PLACE = "(" + String.join("|", MemoryTask.LABELS) + ")";
    private static final Pattern MOVEMENT =
            Pattern.compile("(mary|john|daniel|sandra) (?:moved|went|went back|journeyed|travelled) to the " + PLACE);
    private static final Pattern RELATION =
            Pattern.compile("the " + PLACE + " is (north|south|east|west) of the " + PLACE);
    private static final List<String> DIRECTIONS = List.of("north", "south", "east", "west");

    /** A fact as the text tells it: what it is asked by, and the answer. */
    private record Told(String key, String answer) {}

    private static List<Told> facts(String text) {
        List<Told> facts = new ArrayList<>();
        Matcher m = MOVEMENT.matcher(text);
        while (m.find()) {
            facts.add(new Told(m.group(1), m.group(2)));
        }
        Matcher r = RELATION.matcher(text);
        for (int from = 0; r.find(from); from = r.start() + 1) {
            facts.add(new Told(r.group(2) + " " + r.group(3), r.group(1)));
        }
        return facts;
    }

    /** The key that the question at the end of a text asks for. */
    private static String asked(String text) {
        Matcher who = Pattern.compile("where is (\\w+) \\?$").matcher(text);
        if (who.find()) {
            return who.group(1);
        }
        Matcher direct = Pattern.compile("what is (\\w+) of the (\\w+) \\?$").matcher(text);
        if (direct.find()) {
            return direct.group(1) + " " + direct.group(2);
        }
        Matcher turned = Pattern.compile("what is the (\\w+) (\\w+) of \\?$").matcher(text);
        assertThat(turned.find()).as(text).isTrue();
        return DIRECTIONS.get(DIRECTIONS.indexOf(turned.group(2)) ^ 1) + " " + turned.group(1);
    }

    /** Texts of a question's segment and of all that its memory has seen within the batch, the oldest first. */
    private static List<String> path(TrainingBatch batch, int segment) {
        Deque<String> texts = new ArrayDeque<>();
        for (int s = segment; s != TrainingBatch.NONE; s = batch.segment(s).parent()) {
            texts.addFirst(decode(batch.segment(s)));
        }
        return new ArrayList<>(texts);
    }

    private static TaskSettings fresh(int segments) {
        return with(settings(), segments, settings().tasks(), new TaskSettings.Carry(0, 1, 12));
    }

    @Test
    void everyQuestionIsAnsweredByWhatItsMemoryHasRead() {
        TaskBatches data = batches(fresh(3), 1);
        int questions = 0;
        for (int step = 0; step < 100; step++) {
            TrainingBatch batch = data.next(step);
            for (int s = 0; s < batch.size(); s++) {
                if (batch.segment(s).label() != TrainingBatch.NONE) {
                    List<String> path = path(batch, s);
                    String key = asked(path.get(path.size() - 1));
                    Set<String> answers = new HashSet<>();
                    path.forEach(text -> facts(text).stream()
                            .filter(fact -> fact.key().equals(key))
                            .forEach(fact -> answers.add(fact.answer())));
                    assertThat(answers)
                            .as(String.join(" | ", path))
                            .containsExactly(
                                    MemoryTask.LABELS.get(batch.segment(s).label()));
                    questions++;
                }
            }
            data.learned(batch, perfect(batch, step));
        }
        assertThat(questions).isGreaterThan(1000);
    }

    @Test
    void noNoiseTellsAFact() {
        // Four near-facts in 48 tokens: each of them next to another often enough.
        TaskSettings s = fresh(1);
        TaskSettings noisy = new TaskSettings(
                1,
                s.lengths(),
                s.questions(),
                new TaskSettings.Tasks(0, 1, 0, 0, 2, 0.5),
                s.practice(),
                0,
                s.late(),
                s.carry(),
                s.memoryNoise(),
                new NoiseMix(0, 0, 0, 4));
        TaskBatches data = batches(noisy, 2);
        int told = 0;
        for (int step = 0; step < 120; step++) {
            TrainingBatch batch = data.next(step);
            for (TrainingBatch.Segment segment : batch.segments()) {
                int facts = facts(decode(segment)).size();
                assertThat(facts).as(decode(segment)).isLessThanOrEqualTo(1);
                told += facts;
            }
            data.learned(batch, perfect(batch, step));
        }
        assertThat(told).isGreaterThan(400);
    }

    @Test
    void noTwoFactsOfADocumentMakeALayoutThatIsKeptForValidation() {
        Set<Set<Told>> heldOut = new HashSet<>();
        Set<Set<Told>> known = new HashSet<>();
        // What the validation part of the task tells, fact by fact, in all its wordings.
        for (long seed = 0; seed < 20_000; seed++) {
            heldOut.add(Set.copyOf(stories(seed, Split.VALIDATION)));
            known.add(Set.copyOf(stories(seed, Split.TRAINING)));
        }
        TaskBatches data = batches(with(fresh(2), 2, new TaskSettings.Tasks(0, 0, 1, 1, 4, 0.5), fresh(2).carry()), 3);
        int stories = 0;
        for (int step = 0; step < 120; step++) {
            TrainingBatch batch = data.next(step);
            for (int s = 0; s < batch.size(); s++) {
                if (batch.segment(s).label() != TrainingBatch.NONE) {
                    List<Told> facts = path(batch, s).stream()
                            .flatMap(text -> facts(text).stream())
                            .toList();
                    for (Told a : facts) {
                        for (Told b : facts) {
                            if (!a.equals(b)) {
                                assertThat(heldOut).doesNotContain(Set.of(a, b));
                                stories += known.contains(Set.of(a, b)) ? 1 : 0;
                            }
                        }
                    }
                }
            }
            data.learned(batch, perfect(batch, step));
        }
        assertThat(stories).isGreaterThan(200);
    }

    private static List<Told> stories(long seed, Split split) {
        ReasonStory story = ReasonFacts.generated().draw(split, new SplittableRandom(seed));
        List<Told> told = new ArrayList<>(facts(story.fact1().toLowerCase(Locale.ROOT)));
        told.addAll(facts(story.fact2().toLowerCase(Locale.ROOT)));
        assertThat(told).hasSize(2);
        return told;
    }

    @Test
    void memorizeTellsItsFactAtTheVeryStart() {
        TaskBatches data = batches(with(fresh(2), 2, new TaskSettings.Tasks(1, 0, 0, 0, 2, 0.5), fresh(2).carry()), 4);
        for (int step = 0; step < 50; step++) {
            TrainingBatch batch = data.next(step);
            for (int s = 0; s < batch.size(); s++) {
                if (batch.segment(s).label() != TrainingBatch.NONE) {
                    List<String> path = path(batch, s);
                    assertThat(MOVEMENT.matcher(path.get(0)).lookingAt())
                            .as(path.get(0))
                            .isTrue();
                }
            }
        }
    }

    @Test
    void tasksComeInTheirShares() {
        TaskBatches data = batches(fresh(2), 5);
        Map<String, Integer> kinds = new LinkedHashMap<>();
        int questions = 0;
        int ofMemory = 0;
        for (int step = 0; step < 200; step++) {
            TrainingBatch batch = data.next(step);
            for (int s = 0; s < batch.size(); s++) {
                if (batch.segment(s).label() != TrainingBatch.NONE) {
                    questions++;
                    List<String> path = path(batch, s);
                    String key = asked(path.get(path.size() - 1));
                    kinds.merge(key.contains(" ") ? "relation" : "person", 1, Integer::sum);
                    boolean here = facts(path.get(path.size() - 1)).stream()
                            .anyMatch(f -> f.key().equals(key));
                    ofMemory += here ? 0 : 1;
                }
            }
            data.learned(batch, perfect(batch, step));
        }
        // memorize 20, detect 20 and half of the 20 of "several" ask for persons.
        assertThat(kinds.get("person") / (double) questions).isCloseTo(0.5, within(0.05));
        assertThat(ofMemory / (double) questions).isBetween(0.4, 0.8);
    }

    @Test
    void probesNameTheFactThatATokenEndsAndTheFactsThatMemoryShouldHold() {
        TaskBatches data = batches(fresh(3), 6);
        int[] seen = new int[3];
        for (int step = 0; step < 50; step++) {
            TrainingBatch batch = data.next(step);
            for (int s = 0; s < batch.size(); s++) {
                TrainingBatch.Segment segment = batch.segment(s);
                Map<Integer, Integer> registers = new LinkedHashMap<>(); // labels by row and register
                for (TrainingBatch.Probe probe : segment.probes()) {
                    if (probe.firstOutput() >= 35) {
                        assertThat(probe.level()).isEqualTo(3);
                        registers.put(10 * ((probe.firstOutput() - 35) / 7) + probe.position() - 1, probe.label());
                    } else if (probe.position() > 0) {
                        String before = TOKENIZER.decode(
                                Arrays.copyOf(segment.content(), probe.position() - FIRST_CONTENT + 1));
                        boolean endsFact = Pattern.compile("(?:" + MOVEMENT + "|" + RELATION + ")$")
                                .matcher(before)
                                .find();
                        if (probe.firstOutput() == 0) {
                            assertThat(probe.label() < 28).as(before).isEqualTo(endsFact);
                            seen[endsFact ? 0 : 1]++;
                        } else {
                            List<Told> facts = facts(before);
                            assertThat(MemoryTask.LABELS.get(probe.label()))
                                    .as(before)
                                    .isEqualTo(facts.get(facts.size() - 1).answer());
                        }
                    }
                }
                if (segment.writesMemory()) {
                    int fresh = s;
                    Set<Told> told = new HashSet<>();
                    path(batch, fresh).forEach(text -> told.addAll(facts(text)));
                    long held = registers.values().stream()
                            .filter(label -> label < 6)
                            .count();
                    assertThat(registers).hasSize(28);
                    assertThat(held).isEqualTo(told.size());
                    seen[2] += (int) held;
                }
            }
            data.learned(batch, perfect(batch, step));
        }
        assertThat(seen).doesNotContain(0);
    }

    @Test
    void weightsMakeMeans() {
        TrainingBatch batch = batches(settings(), 7).next(0);
        double labels = 0;
        double[] withFact = new double[2]; // of tokens, of memory
        double[] without = new double[2];
        for (TrainingBatch.Segment segment : batch.segments()) {
            labels += segment.labelWeight();
            for (TrainingBatch.Probe probe : segment.probes()) {
                boolean none = probe.label() == probe.numOutputs() - 1;
                if (probe.firstOutput() == 0) {
                    (none ? without : withFact)[0] += probe.weight();
                } else if (probe.firstOutput() >= 35) {
                    (none ? without : withFact)[1] += probe.weight();
                }
            }
        }
        assertThat(labels).isCloseTo(1, within(1e-5));
        assertThat(withFact[0]).isCloseTo(1, within(1e-4));
        assertThat(withFact[1]).isCloseTo(1, within(1e-4));
        assertThat(without[0]).isCloseTo(0.5, within(1e-4));
        assertThat(without[1]).isCloseTo(0.5, within(1e-4));
    }

    /** Four streams, all of them in every step, that always go on if they may. */
    private static TaskBatches streams() {
        TaskSettings s = settings();
        return batches(
                new TaskSettings(
                        2,
                        List.of(new TaskSettings.LengthClass(1, 4, 24, 48, 0)),
                        s.questions(),
                        new TaskSettings.Tasks(0, 1, 0, 0, 2, 0.5),
                        s.practice(),
                        0,
                        new TaskSettings.Late(0, 1),
                        new TaskSettings.Carry(1, 1000, 4),
                        s.memoryNoise(),
                        s.noise()),
                8);
    }

    @Test
    void documentsThatKnowEverythingGoOnFromTheirMemory() {
        TaskBatches data = streams();
        TrainingBatch begun = data.next(0);
        assertThat(begun.startMemories()).isEmpty();
        TrainingOutcome outcome = perfect(begun, 5);
        data.learned(begun, outcome);
        TrainingBatch next = data.next(1);
        assertThat(next.startMemories()).hasSize(4);
        List<float[]> written = new ArrayList<>();
        for (int s = 0; s < begun.size(); s++) {
            if (begun.segment(s).keepsMemory()) {
                written.add(outcome.memory(s));
            }
        }
        next.startMemories().forEach(memory -> assertThat(written).anyMatch(one -> Arrays.equals(one, memory)));
        // Told once, asked again: the facts of these documents are all behind them.
        assertThat(next.segments()).allMatch(segment -> facts(decode(segment)).isEmpty());
    }

    @Test
    void aDocumentThatAnswersWronglyBeginsAnew() {
        TaskBatches data = streams();
        TrainingBatch begun = data.next(0);
        int lost = begun.size() - 1;
        data.learned(begun, outcome(begun, s -> s != lost, probe -> true, 1));
        assertThat(data.next(1).startMemories()).hasSize(3);
    }

    @Test
    void aDocumentWhoseMemoryLostItsFactBeginsAnewThoughItGuessedRight() {
        TaskBatches data = streams();
        TrainingBatch begun = data.next(0);
        data.learned(begun, outcome(begun, s -> true, probe -> probe.firstOutput() < 35 || probe.label() == 6, 1));
        assertThat(data.next(1).startMemories()).isEmpty();
    }

    private static int documents(TrainingBatch batch) {
        return (int) batch.segments().stream()
                .filter(TrainingBatch.Segment::keepsMemory)
                .count();
    }

    @Test
    void aRunThatIsRestoredSeesTheSameBatches() {
        TaskBatches whole = batches(settings(), 9);
        TaskBatches first = batches(settings(), 9);
        for (int step = 0; step < 20; step++) {
            learn(whole, step);
            learn(first, step);
        }
        TaskBatches resumed = batches(settings(), 9);
        resumed.restore(first.save());
        for (int step = 20; step < 40; step++) {
            assertThat(resumed.metrics()).isEqualTo(whole.metrics());
            assertSame(learn(resumed, step), learn(whole, step));
        }
        assertThat(resumed.save()).isEqualTo(whole.save());
    }

    private static TrainingBatch learn(TaskBatches data, int step) {
        TrainingBatch batch = data.next(step);
        data.learned(batch, outcome(batch, s -> s % 7 != 0, probe -> true, step));
        return batch;
    }

    private static void assertSame(TrainingBatch a, TrainingBatch b) {
        assertThat(a.size()).isEqualTo(b.size());
        for (int i = 0; i < a.startMemories().size(); i++) {
            assertThat(a.startMemories().get(i)).isEqualTo(b.startMemories().get(i));
        }
        for (int s = 0; s < a.size(); s++) {
            assertThat(a.segment(s)).usingRecursiveComparison().isEqualTo(b.segment(s));
        }
    }

    @Test
    void seedAndStageChangeTheDocuments() {
        TrainingBatch batch = batches(settings(), 10).next(0);
        TrainingBatch otherSeed = batches(settings(), 11).next(0);
        TrainingBatch otherStage = new TaskBatches(settings(), source(10, 1, uses())).next(0);
        assertThat(batch.segment(0).content()).isNotEqualTo(otherSeed.segment(0).content());
        assertThat(batch.segment(0).content())
                .isNotEqualTo(otherStage.segment(0).content());
        assertThat(batch.segment(0).content())
                .isEqualTo(batches(settings(), 10).next(0).segment(0).content());
    }

    @Test
    void segmentsOfAStepAreEquallyLongAndWithinTheirClass() {
        TaskBatches data = batches(settings(), 12);
        Set<Integer> batches = new HashSet<>();
        for (int step = 0; step < 100; step++) {
            TrainingBatch batch = data.next(step);
            Set<Integer> lengths = new HashSet<>();
            batch.segments().stream()
                    .filter(TrainingBatch.Segment::writesMemory)
                    .forEach(s -> lengths.add(s.content().length));
            assertThat(lengths).hasSize(1);
            int length = lengths.iterator().next();
            int documents = documents(batch);
            batches.add(documents);
            assertThat(length).isBetween(documents == 8 ? 24 : 40, documents == 8 ? 48 : 64);
            data.learned(batch, perfect(batch, step));
        }
        assertThat(batches).containsExactlyInAnyOrder(8, 4);
    }

    @Test
    void noiseOnMemoryHasItsDeviation() {
        TrainingBatch batch = batches(settings(), 13).next(0);
        double sum = 0;
        double squares = 0;
        int numbers = 0;
        int noisy = 0;
        for (TrainingBatch.Segment segment : batch.segments()) {
            if (segment.memoryNoise() != null) {
                noisy++;
                for (float value : segment.memoryNoise()) {
                    sum += value;
                    squares += value * value;
                    numbers++;
                }
            }
        }
        assertThat(noisy / (double) batch.size()).isBetween(0.4, 0.95);
        assertThat(sum / numbers).isCloseTo(0, within(0.01));
        assertThat(Math.sqrt(squares / numbers)).isCloseTo(0.1, within(0.005));
    }

    @Test
    void metricsCountTheLastStepsOnly() {
        TaskBatches data = batches(fresh(2), 14);
        for (int step = 0; step < 20; step++) {
            TrainingBatch batch = data.next(step);
            data.learned(batch, outcome(batch, s -> false, probe -> false, step));
        }
        assertThat(data.metrics()).containsEntry("lowest", 0.0).containsEntry("memory", 0.0);
        for (int step = 20; step < 40; step++) {
            TrainingBatch batch = data.next(step);
            data.learned(batch, perfect(batch, step));
        }
        assertThat(data.metrics()).containsEntry("lowest", 1.0).containsEntry("memory", 1.0);
        assertThat(data.metrics().keySet())
                .contains("memorize", "detect", "reason", "several", "memorize_here", "fact", "fact_none", "answer");
    }

    @Test
    void whatDoesNotFitTheModelIsRefused() {
        TaskSettings s = settings();
        TaskSettings tooLong = new TaskSettings(
                1,
                List.of(new TaskSettings.LengthClass(1, 2, 24, 65, 0)),
                s.questions(),
                s.tasks(),
                s.practice(),
                0,
                s.late(),
                s.carry(),
                s.memoryNoise(),
                s.noise());
        assertThatThrownBy(() -> batches(tooLong, 1))
                .hasMessageContaining("segments of 65 tokens")
                .hasMessageContaining("holds 64");
        TaskSettings tooShort = new TaskSettings(
                1,
                List.of(new TaskSettings.LengthClass(1, 2, 10, 40, 0)),
                s.questions(),
                s.tasks(),
                s.practice(),
                0,
                s.late(),
                s.carry(),
                s.memoryNoise(),
                s.noise());
        assertThatThrownBy(() -> batches(tooShort, 1))
                .hasMessageContaining("10 tokens")
                .hasMessageContaining("23");
        ProbeSpec tooHigh = new ProbeSpec("fact", ProbeSpec.Rule.FACT_KEY, 3, 0);
        assertThatThrownBy(() -> new TaskBatches(s, source(1, 0, List.of(new ProbeSpec.Use(tooHigh, 1, 1)))))
                .hasMessageContaining("layer 3")
                .hasMessageContaining("0 ... 2");
    }

    @Test
    void aDamagedStateIsRefused() {
        TaskBatches data = batches(settings(), 15);
        learn(data, 0);
        byte[] state = data.save();
        assertThatThrownBy(() -> data.restore(Arrays.copyOf(state, state.length - 3)))
                .isInstanceOf(ModelFormatException.class);
        assertThatThrownBy(() -> data.restore(Arrays.copyOf(state, state.length + 1)))
                .isInstanceOf(ModelFormatException.class);
        assertThatThrownBy(() -> data.restore(new byte[0])).isInstanceOf(ModelFormatException.class);
    }
}
