package dev.rmt.task;

import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * What training segments are made of: noise cut from a text, near-facts, and the sentences of the tasks, as ids. Immutable; may
 * be shared by threads. Takes 4 bytes of heap per token of the noise.
 */
public final class TrainingText {
    private static final int NEAR_FACTS = 20_000;
    private static final long NEAR_FACTS_SEED = 7;
    /** Near-facts are counted for segments of this many tokens. */
    private static final double SHORT_SEGMENT = 48;

    private final int[] noise;
    private final int[] triggers; // positions in the noise
    private final int[] saladIds; // every piece that is not special
    private final int[][] nearFacts;
    private final Map<String, int[]> sentences = new HashMap<>();
    private final boolean[] placeEnds; // by id: whether a place ends with it
    private final Map<Integer, List<int[]>> factsByEnd = new HashMap<>(); // ids up to the last place, by its id

    /**
     * @param noise text of the training segments
     * @throws dev.rmt.InputException if the vocabulary has no word for a place, name or direction of the tasks
     */
    public TrainingText(WordPieceTokenizer tokenizer, Noise noise) {
        Objects.requireNonNull(noise, "noise");
        for (TaskKind kind : TaskKind.values()) {
            MemoryTask.requireKnownWords(kind, tokenizer);
        }
        for (List<String> list : List.of(
                TaskWords.movements(),
                TaskWords.relations(),
                TaskWords.movementQuestions(),
                TaskWords.relationQuestions())) {
            list.forEach(sentence -> sentences.put(sentence, tokenizer.encode(sentence)));
        }
        Vocabulary vocabulary = tokenizer.vocabulary();
        placeEnds = new boolean[vocabulary.size()];
        for (String place : TaskWords.PLACES) {
            int[] ids = tokenizer.encode(place);
            placeEnds[ids[ids.length - 1]] = true;
        }
        List<String> facts = new ArrayList<>(TaskWords.movements());
        facts.addAll(TaskWords.relations());
        // "The garden is north of the garden." is no fact of the tasks, but as good as one where it is asked for.
        for (int place = 0; place < TaskWords.PLACES.size(); place++) {
            for (int direction = 0; direction < TaskWords.DIRECTIONS.size(); direction++) {
                facts.add(TaskWords.relation(place, direction, place));
            }
        }
        for (String fact : facts) {
            int[] ids = tokenizer.encode(fact);
            int[] spoken = Arrays.copyOf(ids, ids.length - 1); // a full stop ends it, or not
            factsByEnd
                    .computeIfAbsent(spoken[spoken.length - 1], end -> new ArrayList<>())
                    .add(spoken);
        }
        this.noise = new int[(int) noise.tokens()];
        noise.copy(0, this.noise, 0, this.noise.length);
        triggers = positionsOf(triggerIds(tokenizer), this.noise);
        saladIds = saladIds(vocabulary);
        nearFacts = nearFacts(tokenizer);
    }

    private static Set<Integer> triggerIds(WordPieceTokenizer tokenizer) {
        Set<Integer> ids = new HashSet<>();
        for (List<String> words : List.of(TaskWords.PLACES, TaskWords.NAMES, TaskWords.DIRECTIONS, TaskWords.ACTIONS)) {
            words.forEach(word -> ids.add(tokenizer.encode(word)[0]));
        }
        return ids;
    }

    private static int[] positionsOf(Set<Integer> ids, int[] text) {
        int[] positions = new int[text.length];
        int count = 0;
        for (int i = 0; i < text.length; i++) {
            if (ids.contains(text[i])) {
                positions[count++] = i;
            }
        }
        return Arrays.copyOf(positions, count);
    }

    private static int[] saladIds(Vocabulary vocabulary) {
        Set<String> special = new HashSet<>(vocabulary.special().pieces());
        int[] ids = new int[vocabulary.size()];
        int count = 0;
        for (int id = 0; id < ids.length; id++) {
            if (!special.contains(vocabulary.piece(id))) {
                ids[count++] = id;
            }
        }
        return Arrays.copyOf(ids, count);
    }

    private int[][] nearFacts(WordPieceTokenizer tokenizer) {
        SplittableRandom random = new SplittableRandom(NEAR_FACTS_SEED);
        NearFacts phrases = new NearFacts(tokenizer.vocabulary(), random);
        int[][] ids = new int[NEAR_FACTS][];
        for (int i = 0; i < ids.length; i++) {
            do {
                ids[i] = tokenizer.encode(phrases.next().toLowerCase(Locale.ROOT));
            } while (!factEnds(ids[i]).isEmpty());
        }
        return ids;
    }

    /** Tokens that two facts and a question take at most: the least that a segment must hold. */
    public int longestStory() {
        int facts = longest(TaskWords.relations());
        int person = longest(TaskWords.movements());
        return Math.max(
                2 * facts + longest(TaskWords.relationQuestions()), person + longest(TaskWords.movementQuestions()));
    }

    private int longest(List<String> texts) {
        return texts.stream().mapToInt(one -> sentences.get(one).length).max().orElseThrow();
    }

    /** Number of tokens of the noise. */
    public long noiseTokens() {
        return noise.length;
    }

    /** The ids of a fact. The array must not be changed. */
    public int[] ids(TaskFact fact) {
        return sentences.get(fact.text());
    }

    /** The ids of a question that {@link TaskFact#question} made. The array must not be changed. */
    public int[] questionIds(String question) {
        return sentences.get(question);
    }

    /** Whether the word for a place ends with this id. */
    public boolean endsPlace(int id) {
        return placeEnds[id];
    }

    /** Where in the ids of a fact its last place ends: the full stop stands behind it. */
    public int lastPlaceEnd(TaskFact fact) {
        return ids(fact).length - 2;
    }

    /** Fills a segment with noise and near-facts. It may spell a fact by chance: see {@link #removeFacts}. */
    public int[] noise(int length, NoiseMix mix, SplittableRandom random) {
        int[] ids = new int[length];
        boolean atTrigger = random.nextDouble() < mix.triggers() && triggers.length > 0;
        if (random.nextDouble() < mix.salad()) {
            replace(ids, 1, random);
        } else {
            int start = random.nextInt(noise.length);
            if (atTrigger) {
                start = Math.floorMod(triggers[random.nextInt(triggers.length)] - random.nextInt(length), noise.length);
            }
            for (int done = 0; done < length; ) {
                int count = Math.min(length - done, noise.length - start);
                System.arraycopy(noise, start, ids, done, count);
                done += count;
                start = 0; // it goes round
            }
            if (random.nextDouble() < mix.mixed()) {
                replace(ids, random.nextDouble(), random);
            }
        }
        int planted = poisson(mix.nearFacts() * Math.sqrt(length / SHORT_SEGMENT), random);
        for (int i = 0; i < planted; i++) {
            int[] phrase = nearFacts[random.nextInt(nearFacts.length)];
            if (phrase.length <= length) {
                System.arraycopy(phrase, 0, ids, random.nextInt(length - phrase.length + 1), phrase.length);
            }
        }
        return ids;
    }

    /** Puts random pieces in the place of a share of the ids. */
    private void replace(int[] ids, double share, SplittableRandom random) {
        for (int i = 0; i < ids.length; i++) {
            if (random.nextDouble() < share) {
                ids[i] = saladIds[random.nextInt(saladIds.length)];
            }
        }
    }

    /** Knuth's way: as many uniform factors as keep the product above e^-mean. */
    private static int poisson(double mean, SplittableRandom random) {
        if (mean == 0) {
            return 0;
        }
        double limit = Math.exp(-mean);
        int count = 0;
        for (double product = random.nextDouble(); product > limit; product *= random.nextDouble()) {
            count++;
        }
        return count;
    }

    /**
     * Spoils every fact in a segment but those that were put there: noise and near-facts side by side may spell one, with the
     * first words of a fact too ("Mary went to" before "the garden is north of the office").
     *
     * @param ids of the content
     * @param wanted facts by where their last places end; none of their tokens is changed
     */
    public void removeFacts(int[] ids, Map<Integer, TaskFact> wanted, SplittableRandom random) {
        for (int end : factEnds(ids)) {
            if (!wanted.containsKey(end)) {
                int at = end;
                while (isPartOf(wanted, at)) {
                    at--;
                }
                int id;
                do {
                    id = saladIds[random.nextInt(saladIds.length)];
                } while (placeEnds[id] || id == ids[at]);
                ids[at] = id;
            }
        }
    }

    private boolean isPartOf(Map<Integer, TaskFact> facts, int position) {
        return facts.entrySet().stream()
                .anyMatch(fact ->
                        position <= fact.getKey() + 1 && position >= fact.getKey() - lastPlaceEnd(fact.getValue()));
    }

    /** Where the last places of all facts end that these ids spell. */
    List<Integer> factEnds(int[] ids) {
        List<Integer> ends = new ArrayList<>();
        for (int end = 0; end < ids.length; end++) {
            if (placeEnds[ids[end]] && endsFact(ids, end)) {
                ends.add(end);
            }
        }
        return ends;
    }

    private boolean endsFact(int[] ids, int end) {
        for (int[] fact : factsByEnd.get(ids[end])) {
            int start = end + 1 - fact.length;
            if (start >= 0 && Arrays.equals(ids, start, end + 1, fact, 0, fact.length)) {
                return true;
            }
        }
        return false;
    }
}
