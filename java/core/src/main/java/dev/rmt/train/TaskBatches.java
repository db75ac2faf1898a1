package dev.rmt.train;

import dev.rmt.ModelConfig;
import dev.rmt.ModelFormatException;
import dev.rmt.task.SampleSeeds;
import dev.rmt.task.TaskFact;
import dev.rmt.task.TrainingText;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;

/**
 * Batches of the memory tasks from documents that may go on from step to step. A batch reads a chunk of a few segments of some
 * documents, and asks about each of them: behind the chunk, and behind random earlier segments of it, in segments of their own
 * that branch off. A fact that is asked for and was not told by then stands in the question's own segment; so the case of one
 * segment is always trained too. Noise, lengths and lateness are those of {@link TaskSettings}.
 *
 * <p>The loss is the mean cross entropy of the questions plus that of the probes. No two facts of a document make a layout
 * that is kept for validation, and no noise tells a fact.
 *
 * <p>What a document is depends on seed, stage and its number; what a step adds, on seed, stage and the step.
 */
public final class TaskBatches implements TrainingData {
    private static final int FORMAT = 1;
    private static final TaskDocument.Kind[] KINDS = TaskDocument.Kind.values();

    private final TaskSettings settings;
    private final List<ProbeSpec.Use> probes;
    private final TrainingText text;
    private final int numMemTokens;
    private final int memorySize;
    private final long documentSeed;
    private final long stepSeed;
    private final long carrySeed;
    private final long dropoutSeed;

    private final TaskDocument[] streams;
    private final int[] order; // of the streams; shuffled in part at every step
    private long documents; // begun so far
    private final RecentCounts counts;

    // Of the batch that is under way.
    private long index;
    private final List<Asked> asked = new ArrayList<>();
    private int[] chosen = {};
    private int lastSegment; // of document 0; the others follow

    /** A question: its segment in the batch, its document (number in the step), and whether memory has to know the answer. */
    private record Asked(int segment, int document, boolean ofMemory) {}

    /** @throws IllegalArgumentException if the settings do not fit the model */
    TaskBatches(TaskSettings settings, StageData.Source source) {
        ModelConfig config = source.config();
        this.settings = settings;
        this.probes = source.probes().stream().filter(use -> use.weight() > 0).toList();
        this.text = Objects.requireNonNull(source.text(), "text");
        this.numMemTokens = config.numMemTokens();
        this.memorySize = config.numMemTokens() * config.hiddenSize();
        checkLengths(settings, text, config.segmentSize());
        checkProbes(this.probes, config.numLayers());
        long stageSeed = SampleSeeds.of(source.seed(), source.stage());
        documentSeed = SampleSeeds.of(stageSeed, 0);
        stepSeed = SampleSeeds.of(stageSeed, 1);
        carrySeed = SampleSeeds.of(stageSeed, 2);
        dropoutSeed = SampleSeeds.of(stageSeed, 3);
        streams = new TaskDocument[settings.carry().streams()];
        order = new int[streams.length];
        counts = new RecentCounts(source.window(), 2 * KINDS.length + 2 * this.probes.size());
        newProbes(); // refuses a model with too few memory tokens
    }

    private static void checkLengths(TaskSettings settings, TrainingText text, int segmentSize) {
        int shortest = settings.questions().shortFrom();
        for (TaskSettings.LengthClass length : settings.lengths()) {
            shortest = Math.min(shortest, length.from());
            if (length.to() > segmentSize) {
                throw new IllegalArgumentException("A length class has segments of " + length.to()
                        + " tokens, but a segment of the model holds " + segmentSize + ".");
            }
        }
        if (shortest < text.longestStory()) {
            throw new IllegalArgumentException("The shortest segments have " + shortest
                    + " tokens, but two facts and a question take up to " + text.longestStory()
                    + " in this vocabulary; make them longer.");
        }
    }

    private static void checkProbes(List<ProbeSpec.Use> probes, int numLayers) {
        for (ProbeSpec.Use use : probes) {
            int highest = use.probe().rule().ofMemory() ? numLayers : numLayers - 1;
            if (use.probe().layer() > highest) {
                throw new IllegalArgumentException("The probe " + use.probe().name() + " reads layer "
                        + use.probe().layer() + " of a model of " + numLayers + " layers; its rule "
                        + use.probe().rule() + " needs one of 0 ... " + highest + ".");
            }
        }
    }

    private FactProbes newProbes() {
        return new FactProbes(probes, text, numMemTokens);
    }

    @Override
    public TrainingBatch next(long index) {
        this.index = index;
        SplittableRandom random = new SplittableRandom(SampleSeeds.of(stepSeed, index));
        TaskSettings.LengthClass lengths = lengthClass(random);
        int length = lengthOf(lengths, random);
        int questionLength = questionLength(length, random);
        choose(lengths.batch(), random);
        Step step = new Step(random);
        step.readChunk(length);
        step.ask(questionLength);
        return step.batch();
    }

    private TaskSettings.LengthClass lengthClass(SplittableRandom random) {
        List<TaskSettings.LengthClass> all = settings.lengths();
        double sum = 0;
        for (TaskSettings.LengthClass one : all) {
            sum += one.share();
        }
        double drawn = random.nextDouble() * sum;
        for (TaskSettings.LengthClass one : all) {
            drawn -= one.share();
            if (drawn < 0) {
                return one;
            }
        }
        return all.get(all.size() - 1);
    }

    private static int lengthOf(TaskSettings.LengthClass lengths, SplittableRandom random) {
        int drawn = lengths.from() + random.nextInt(lengths.to() - lengths.from() + 1);
        return random.nextDouble() < lengths.full() ? lengths.to() : drawn;
    }

    private int questionLength(int length, SplittableRandom random) {
        TaskSettings.Questions questions = settings.questions();
        int drawn = questions.shortFrom() + random.nextInt(questions.shortTo() - questions.shortFrom() + 1);
        boolean asLong = random.nextDouble() < questions.longShare();
        return length <= questions.shortTo() || asLong ? length : drawn;
    }

    /** Chooses the documents of a step, and begins those that are to begin. */
    private void choose(int batch, SplittableRandom random) {
        for (int i = 0; i < order.length; i++) {
            order[i] = i;
        }
        chosen = new int[batch];
        for (int i = 0; i < batch; i++) {
            int j = i + random.nextInt(order.length - i);
            chosen[i] = order[j];
            order[j] = order[i];
            if (streams[chosen[i]] == null) {
                streams[chosen[i]] = document(documents++);
            }
        }
    }

    private TaskDocument document(long serial) {
        return TaskDocument.draw(serial, settings, new SplittableRandom(SampleSeeds.of(documentSeed, serial)));
    }

    /** The making of one batch. */
    private final class Step {
        private final SplittableRandom random;
        private final TrainingBatch.Builder batch = new TrainingBatch.Builder();
        private final FactProbes facts = newProbes();
        private final List<TrainingBatch.SegmentBuilder> segments = new ArrayList<>();
        private final int documentsInStep = chosen.length;
        private final int[] starts = new int[documentsInStep]; // start memories, or NONE

        Step(SplittableRandom random) {
            this.random = random;
            for (int i = 0; i < documentsInStep; i++) {
                float[] memory = streams[chosen[i]].memory;
                starts[i] = memory == null ? TrainingBatch.NONE : batch.addStart(memory);
            }
        }

        /** Segment k of document i is number k x documents + i of the batch. */
        private int segmentOf(int k, int i) {
            return k * documentsInStep + i;
        }

        void readChunk(int length) {
            int last = settings.segments() - 1;
            for (int k = 0; k <= last; k++) {
                for (int i = 0; i < documentsInStep; i++) {
                    TaskDocument document = streams[chosen[i]];
                    Map<Integer, TaskFact> ends = new HashMap<>();
                    int[] content = tellingSegment(document, document.age + k, length, ends);
                    TrainingBatch.SegmentBuilder segment = start(content, k, i, ends);
                    if (k == last && settings.carry().probability() > 0) {
                        segment.keepMemory();
                    }
                    facts.addMemory(segmentOf(k, i), document.toldBefore(document.age + k + 1L));
                }
            }
            lastSegment = segmentOf(last, 0);
        }

        /** Begins a segment that reads the memory behind {@code k} segments of document i. */
        private TrainingBatch.SegmentBuilder start(int[] content, int k, int i, Map<Integer, TaskFact> ends) {
            TrainingBatch.SegmentBuilder segment = TrainingBatch.reading(content);
            if (k > 0) {
                segment.after(segmentOf(k - 1, i));
            } else if (starts[i] != TrainingBatch.NONE) {
                segment.from(starts[i]);
            }
            TaskSettings.MemoryNoise noise = settings.memoryNoise();
            if (noise.deviation() > 0 && random.nextDouble() < noise.share()) {
                segment.memoryNoise(noise(noise.deviation()));
            }
            facts.addTokens(segments.size(), content, ends);
            segments.add(segment);
            return segment;
        }

        private float[] noise(double deviation) {
            // Four uniform numbers of 16 bits add up to nearly a normal one, with variance 4/12 of their range squared.
            float scale = (float) (deviation / Math.sqrt(4 / 12.0) / 65536);
            float[] values = new float[memorySize];
            for (int i = 0; i < values.length; i++) {
                long bits = random.nextLong();
                long sum = (bits & 0xFFFF) + (bits >>> 16 & 0xFFFF) + (bits >>> 32 & 0xFFFF) + (bits >>> 48);
                values[i] = (sum - 2 * 65535) * scale;
            }
            return values;
        }

        /** Noise with the facts that are due; those without room are put off. */
        private int[] tellingSegment(TaskDocument document, long segment, int length, Map<Integer, TaskFact> ends) {
            List<Integer> due = document.toldIn(segment);
            List<TaskFact> told = new ArrayList<>();
            int room = length;
            for (int fact : due) {
                int needed = text.ids(document.facts.get(fact)).length;
                if (needed <= room) {
                    told.add(document.facts.get(fact));
                    room -= needed;
                } else {
                    document.when[fact]++;
                }
            }
            return content(length, length, told, document.startsWithFact() && segment == 0, ends);
        }

        /** Noise with these facts before {@code end}, in any order, and nothing else that could be one. */
        private int[] content(int length, int end, List<TaskFact> told, boolean atStart, Map<Integer, TaskFact> ends) {
            int[] content = text.noise(length, settings.noise(), random);
            int free = end;
            for (TaskFact fact : told) {
                free -= text.ids(fact).length;
            }
            // Cuts of the free tokens in ascending order, and the facts in any order.
            int[] cuts = random.ints(told.size(), 0, free + 1).sorted().toArray();
            List<TaskFact> shuffled = new ArrayList<>();
            for (TaskFact fact : told) {
                shuffled.add(random.nextInt(shuffled.size() + 1), fact);
            }
            int taken = 0;
            for (int i = 0; i < cuts.length; i++) {
                TaskFact fact = shuffled.get(i);
                int[] ids = text.ids(fact);
                int at = atStart ? 0 : cuts[i] + taken;
                System.arraycopy(ids, 0, content, at, ids.length);
                ends.put(at + text.lastPlaceEnd(fact), fact);
                taken += ids.length;
            }
            text.removeFacts(content, ends, random);
            return content;
        }

        void ask(int length) {
            asked.clear();
            int perDocument = settings.questions().perDocument();
            float weight = 1f / (documentsInStep * perDocument);
            for (int i = 0; i < documentsInStep; i++) {
                for (int q = 0; q < perDocument; q++) {
                    boolean behindChunk = q % 2 == 0;
                    int k = behindChunk ? settings.segments() : random.nextInt(settings.segments());
                    askOne(i, k, behindChunk, length, weight);
                }
            }
        }

        /** Asks document i behind {@code k} segments of its chunk. */
        private void askOne(int i, int k, boolean preferTold, int length, float weight) {
            TaskDocument document = streams[chosen[i]];
            List<TaskFact> told = document.toldBefore((long) document.age + k);
            List<TaskFact> candidates = document.toldBefore((long) document.age + settings.segments());
            if (preferTold && !told.isEmpty()) {
                candidates = told;
            } else if (candidates.isEmpty()) {
                candidates = document.facts;
            }
            TaskFact fact = candidates.get(random.nextInt(candidates.size()));
            boolean ofMemory = told.contains(fact);
            int[] question = text.questionIds(fact.question(random));
            int room = length - question.length;
            List<TaskFact> here = new ArrayList<>();
            if (!ofMemory) {
                here.add(fact);
                room -= text.ids(fact).length;
            }
            // Several facts would often not fit; two always do.
            for (TaskFact other : document.kind == TaskDocument.Kind.SEVERAL ? List.<TaskFact>of() : document.facts) {
                boolean isNew = other != fact && !told.contains(other);
                if (isNew && (k == 0 || random.nextDouble() < 0.3) && text.ids(other).length <= room) {
                    here.add(other);
                    room -= text.ids(other).length;
                }
            }
            Map<Integer, TaskFact> ends = new HashMap<>();
            boolean atStart = document.startsWithFact() && document.age + k == 0;
            int[] content = content(length, length - question.length, here, atStart, ends);
            System.arraycopy(question, 0, content, length - question.length, question.length);
            int number = segments.size();
            start(content, k, i, ends).writesMemory(false).label(fact.answer(), weight);
            facts.addQuestion(number, fact);
            asked.add(new Asked(number, i, ofMemory));
        }

        TrainingBatch batch() {
            List<List<TrainingBatch.Probe>> rows = facts.probes(segments.size());
            SplittableRandom keys = new SplittableRandom(SampleSeeds.of(dropoutSeed, index));
            for (int s = 0; s < segments.size(); s++) {
                batch.add(segments.get(s)
                        .probes(rows.get(s))
                        .dropoutKey(keys.nextLong())
                        .build());
            }
            return batch.build();
        }
    }

    @Override
    public void learned(TrainingBatch batch, TrainingOutcome outcome) {
        counts.nextStep();
        boolean[] keepsUp = new boolean[chosen.length];
        Arrays.fill(keepsUp, true);
        for (Asked question : asked) {
            boolean right = outcome.correct(question.segment);
            keepsUp[question.document] &= right;
            TaskDocument.Kind kind = streams[chosen[question.document]].kind;
            counts.add(2 * kind.ordinal() + (question.ofMemory ? 0 : 1), right);
        }
        SplittableRandom random = new SplittableRandom(SampleSeeds.of(carrySeed, index));
        countProbes(batch, outcome, keepsUp, random);
        TaskSettings.Carry carry = settings.carry();
        for (int i = 0; i < chosen.length; i++) {
            TaskDocument document = streams[chosen[i]];
            document.age += settings.segments();
            boolean drawn = random.nextDouble() < carry.probability();
            if (drawn && keepsUp[i] && document.age < carry.maxAge()) {
                document.memory = outcome.memory(lastSegment + i);
            } else {
                streams[chosen[i]] = null;
            }
        }
    }

    /** Counts what probes saw; a document whose memory lost a fact has lost its way, and half of those that imagine one. */
    private void countProbes(TrainingBatch batch, TrainingOutcome outcome, boolean[] keepsUp, SplittableRandom random) {
        boolean[] imagines = new boolean[chosen.length];
        for (int s = 0; s < batch.size(); s++) {
            List<TrainingBatch.Probe> rows = batch.segment(s).probes();
            int document = s - lastSegment; // if it is the last segment of a chunk
            for (int p = 0; p < rows.size(); p++) {
                TrainingBatch.Probe row = rows.get(p);
                int use = useOf(row);
                ProbeSpec.Rule rule = probes.get(use).probe().rule();
                boolean none = rule.hasNone() && row.label() == row.numOutputs() - 1;
                boolean right = outcome.probePrediction(s, p) == row.label();
                counts.add(2 * (KINDS.length + use) + (none ? 1 : 0), right);
                if (rule.ofMemory() && rule.hasNone() && !right && document >= 0 && document < chosen.length) {
                    keepsUp[document] &= none;
                    imagines[document] = true;
                }
            }
        }
        for (int i = 0; i < chosen.length; i++) {
            keepsUp[i] &= !imagines[i] || random.nextBoolean();
        }
    }

    private int useOf(TrainingBatch.Probe row) {
        int use = probes.size() - 1;
        while (row.firstOutput() < probes.get(use).probe().firstOutput()) {
            use--;
        }
        return use;
    }

    /**
     * Shares of right answers over the last steps, where there were any: "memorize", "detect", "reason", "several" where memory
     * had to know; the same with "_here" where the fact stood in the question's own segment; "lowest", the lowest of these; for
     * each probe its name, and its name with "_none" for rows of no fact.
     */
    @Override
    public Map<String, Double> metrics() {
        Map<String, Double> metrics = new LinkedHashMap<>();
        double lowest = Double.NaN;
        for (int cell = 0; cell < 2 * KINDS.length; cell++) {
            if (counts.total(cell) > 0) {
                double accuracy = counts.accuracy(cell);
                lowest = lowest <= accuracy ? lowest : accuracy; // NaN is not
                metrics.put(KINDS[cell / 2].name().toLowerCase(Locale.ROOT) + (cell % 2 == 0 ? "" : "_here"), accuracy);
            }
        }
        if (!metrics.isEmpty()) {
            metrics.put("lowest", lowest);
        }
        for (int cell = 2 * KINDS.length; cell < 2 * (KINDS.length + probes.size()); cell++) {
            if (counts.total(cell) > 0) {
                String name = probes.get(cell / 2 - KINDS.length).probe().name();
                metrics.put(name + (cell % 2 == 0 ? "" : "_none"), counts.accuracy(cell));
            }
        }
        return metrics;
    }

    @Override
    public byte[] save() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeInt(FORMAT);
            out.writeLong(documents);
            out.writeInt(streams.length);
            for (TaskDocument document : streams) {
                out.writeBoolean(document != null);
                if (document != null) {
                    document.save(out);
                }
            }
            counts.save(out);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // an array does not fail
        }
        return bytes.toByteArray();
    }

    @Override
    public void restore(byte[] state) {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(state))) {
            int format = in.readInt();
            long begun = in.readLong();
            int count = in.readInt();
            if (format != FORMAT || begun < 0 || count != streams.length) {
                throw new IOException("it is of format " + format + " with " + count + " streams, not of format "
                        + FORMAT + " with " + streams.length);
            }
            for (int i = 0; i < count; i++) {
                streams[i] = null;
                if (in.readBoolean()) {
                    streams[i] = document(in.readLong());
                    streams[i].restore(in, memorySize);
                }
            }
            documents = begun;
            counts.restore(in);
            if (in.read() >= 0) {
                throw new IOException("it goes on where it should end");
            }
        } catch (IOException e) {
            throw new ModelFormatException(
                    "The state of the training documents cannot be read (" + e.getMessage()
                            + "): the checkpoint is damaged or belongs to another recipe.",
                    e);
        }
    }
}
