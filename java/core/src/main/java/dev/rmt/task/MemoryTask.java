package dev.rmt.task;

import dev.rmt.InputException;
import dev.rmt.text.WordPieceTokenizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * One of the memory tasks with everything that its samples are made from. Immutable; may be shared by threads.
 *
 * <p>A sample is segment size x segments content tokens: noise with one or two facts in it, each whole within one segment,
 * and the question at the very end.
 */
public final class MemoryTask {
    /** The answers in the order of the model's classes. */
    public static final List<String> LABELS = TaskWords.PLACES;

    /** Where published facts start in any segment but the first: where they fall once two special tokens are dropped. */
    private static final int PUBLISHED_OFFSET = 2;

    private final TaskKind kind;
    private final Placement placement;
    private final Noise noise;
    private final ReasonFacts reasonFacts;
    private final int segmentSize;
    private final Split split;
    private final boolean factsOutsideLastSegment;
    private final Map<String, int[]> sentences; // ids of every sentence of the task

    /**
     * @param reasonFacts read by {@link TaskKind#REASON} only; may be null for the others
     * @param segmentSize content tokens of a segment
     * @param split which of the generated facts; matters to {@link TaskKind#REASON} only
     * @throws InputException if facts and question do not fit into one segment, or if the vocabulary has no word for a place,
     *     name or direction of the task
     */
    public MemoryTask(
            TaskKind kind,
            Placement placement,
            WordPieceTokenizer tokenizer,
            Noise noise,
            ReasonFacts reasonFacts,
            int segmentSize,
            Split split) {
        this.kind = Objects.requireNonNull(kind, "kind");
        this.placement = Objects.requireNonNull(placement, "placement");
        this.noise = Objects.requireNonNull(noise, "noise");
        this.reasonFacts = kind == TaskKind.REASON ? Objects.requireNonNull(reasonFacts, "reasonFacts") : reasonFacts;
        this.segmentSize = segmentSize;
        this.split = Objects.requireNonNull(split, "split");
        this.factsOutsideLastSegment = false;
        requireKnownWords(kind, Objects.requireNonNull(tokenizer, "tokenizer"));
        boolean reason = kind == TaskKind.REASON;
        sentences = new HashMap<>();
        int fact = encodeAll(reason ? TaskWords.relations() : TaskWords.movements(), tokenizer);
        int question = encodeAll(reason ? TaskWords.relationQuestions() : TaskWords.movementQuestions(), tokenizer);
        int gap = placement == Placement.PUBLISHED && kind != TaskKind.MEMORIZE ? PUBLISHED_OFFSET : 0;
        int needed = gap + (reason ? 2 : 1) * fact + question;
        if (segmentSize < needed) {
            throw new InputException("A segment of " + segmentSize + " tokens is too small for the " + kind
                    + " task, whose facts and" + " question take " + needed + ": use a larger input length.");
        }
    }

    private MemoryTask(MemoryTask task, boolean factsOutsideLastSegment) {
        kind = task.kind;
        placement = task.placement;
        noise = task.noise;
        reasonFacts = task.reasonFacts;
        segmentSize = task.segmentSize;
        split = task.split;
        sentences = task.sentences;
        this.factsOutsideLastSegment = factsOutsideLastSegment;
    }

    /**
     * The same task, with or without keeping facts out of the last segment, where the question is: then a model that forgets
     * everything before the last segment can only guess. A sample of one segment holds its facts all the same.
     */
    public MemoryTask withFactsOutsideLastSegment(boolean outside) {
        return new MemoryTask(this, outside);
    }

    private int encodeAll(List<String> texts, WordPieceTokenizer tokenizer) {
        int longest = 0;
        for (String text : texts) {
            int[] ids = tokenizer.encode(text);
            sentences.put(text, ids);
            longest = Math.max(longest, ids.length);
        }
        return longest;
    }

    /** Words that answers hang on must be told apart by their ids. */
    static void requireKnownWords(TaskKind kind, WordPieceTokenizer tokenizer) {
        List<String> words = new ArrayList<>(TaskWords.PLACES);
        words.addAll(kind == TaskKind.REASON ? TaskWords.DIRECTIONS : TaskWords.NAMES);
        int unkId = tokenizer.vocabulary().unkId();
        Set<List<Integer>> seen = new HashSet<>();
        for (String word : words) {
            List<Integer> ids = new ArrayList<>();
            for (int id : tokenizer.encode(word)) {
                ids.add(id);
            }
            if (ids.isEmpty() || ids.contains(unkId) || !seen.add(ids)) {
                throw new InputException("The vocabulary has no word for \"" + word + "\", so the " + kind
                        + " task cannot be told in it: use a vocabulary that can spell the words of the tasks.");
            }
        }
    }

    public List<String> labels() {
        return LABELS;
    }

    public TaskKind kind() {
        return kind;
    }

    public Placement placement() {
        return placement;
    }

    public Noise noise() {
        return noise;
    }

    public int segmentSize() {
        return segmentSize;
    }

    public boolean factsOutsideLastSegment() {
        return factsOutsideLastSegment;
    }

    /**
     * The sample of a seed; the same seed gives the same sample, and the same facts and question at any number of segments.
     * For the samples of a run use {@link SampleSeeds#of}.
     *
     * @param segments at least 1
     */
    public TaskSample sample(long seed, int segments) {
        if (segments < 1) {
            throw new IllegalArgumentException("A sample has at least 1 segment, not " + segments + ".");
        }
        SplittableRandom random = new SplittableRandom(SampleSeeds.mix(seed));
        ReasonStory story = kind == TaskKind.REASON ? reasonFacts.draw(split, random) : null;
        SplittableRandom forPlaces = random.split();
        int noiseStart = random.split().nextInt((int) noise.tokens());
        if (story != null) {
            return place(
                    List.of(story.fact1(), story.fact2()),
                    story.question(),
                    story.answer(),
                    segments,
                    forPlaces,
                    noiseStart);
        }
        int name = random.nextInt(TaskWords.NAMES.size());
        int action = random.nextInt(TaskWords.ACTIONS.size());
        int label = random.nextInt(TaskWords.PLACES.size());
        return place(
                List.of(TaskWords.movement(name, action, label)),
                TaskWords.whereIs(name),
                label,
                segments,
                forPlaces,
                noiseStart);
    }

    private TaskSample place(
            List<String> factTexts,
            String questionText,
            int label,
            int segments,
            SplittableRandom random,
            int noiseStart) {
        int[] question = sentences.get(questionText);
        long questionStart = (long) segmentSize * segments - question.length;
        int[] lengths = new int[factTexts.size()];
        for (int i = 0; i < lengths.length; i++) {
            lengths[i] = sentences.get(factTexts.get(i)).length;
        }
        long[] starts = starts(lengths, question.length, segments, random);
        List<TaskSample.Sentence> facts = new ArrayList<>();
        for (int i = 0; i < lengths.length; i++) {
            facts.add(new TaskSample.Sentence(factTexts.get(i), sentences.get(factTexts.get(i)), starts[i]));
        }
        boolean overwriting = placement == Placement.PUBLISHED && kind != TaskKind.MEMORIZE;
        return new TaskSample(
                noise,
                noiseStart,
                overwriting,
                segments,
                label,
                facts,
                new TaskSample.Sentence(questionText, question, questionStart));
    }

    /** Where the facts of these lengths start in the content. */
    private long[] starts(int[] lengths, int questionLength, int segments, SplittableRandom random) {
        long[] starts = new long[lengths.length];
        if (kind == TaskKind.MEMORIZE) {
            return starts;
        }
        int open = factsOutsideLastSegment && segments > 1 ? segments - 1 : segments;
        int[] chosen = new int[lengths.length];
        for (int i = 0; i < chosen.length; i++) {
            chosen[i] = random.nextInt(open);
        }
        boolean together = chosen.length == 2 && chosen[0] == chosen[1];
        if (placement == Placement.PUBLISHED) {
            for (int i = 0; i < chosen.length; i++) {
                starts[i] = (long) chosen[i] * segmentSize + (chosen[i] == 0 ? 0 : PUBLISHED_OFFSET);
            }
            if (together) {
                starts[1] += lengths[0];
            }
        } else if (together) {
            offsetsOfTwo(lengths, room(chosen[0], segments, questionLength), starts, random);
            starts[0] += (long) chosen[0] * segmentSize;
            starts[1] += (long) chosen[1] * segmentSize;
        } else {
            for (int i = 0; i < chosen.length; i++) {
                int room = room(chosen[i], segments, questionLength);
                starts[i] = (long) chosen[i] * segmentSize + random.nextInt(room - lengths[i] + 1);
            }
        }
        return starts;
    }

    /** How many tokens of a segment are free for facts: in the last one, all before the question. */
    private int room(int segment, int segments, int questionLength) {
        return segment == segments - 1 ? segmentSize - questionLength : segmentSize;
    }

    /** Draws one of all the ways to put two facts next to each other, in either order, into {@code room} tokens. */
    private static void offsetsOfTwo(int[] lengths, int room, long[] starts, SplittableRandom random) {
        // Seen as units, the room holds the free tokens and the two facts; choose which two of them are the facts.
        int units = room - lengths[0] - lengths[1] + 2;
        int a = random.nextInt(units);
        int b = random.nextInt(units - 1);
        if (b >= a) {
            b++;
        }
        // a is the unit of fact 0 and b that of fact 1; the earlier fact widens what stands before the later one.
        starts[0] = a < b ? a : a - 1 + lengths[1];
        starts[1] = b < a ? b : b - 1 + lengths[0];
    }
}
