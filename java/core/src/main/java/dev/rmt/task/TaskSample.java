package dev.rmt.task;

import dev.rmt.text.TokenSource;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;

/**
 * One document of a task, produced as it is read: noise with facts in it and the question at its very end, exactly segment
 * size x segments content tokens. Holds the ids of the facts and of the question and its place in the noise, nothing else,
 * however long it is. For one thread.
 */
public final class TaskSample implements TokenSource {
    /**
     * A sentence in the content.
     *
     * @param text the sentence
     * @param position of its first token in the content, from 0
     * @param tokens how many there are
     */
    public record Placed(String text, long position, int tokens) {}

    private final Noise noise;
    private final int noiseStart;
    private final boolean overwriting;
    private final long length;
    private final int segments;
    private final int label;
    private final List<Placed> facts;
    private final Placed question;
    private final int[][] pieces; // ids of the facts in the order of their positions, then of the question
    private final long[] starts; // of the pieces, ascending

    private long position;
    private int piece; // the next one, or the one being read
    private int noisePosition;

    /**
     * @param facts with their ids, none of them overlapping
     * @param overwriting whether facts take the place of noise, or the noise goes on behind them
     */
    TaskSample(
            Noise noise,
            int noiseStart,
            boolean overwriting,
            int segments,
            int label,
            List<Sentence> facts,
            Sentence question) {
        this.noise = noise;
        this.noiseStart = noiseStart;
        this.overwriting = overwriting;
        this.segments = segments;
        this.label = label;
        List<Sentence> inOrder = facts.stream()
                .sorted(Comparator.comparingLong(Sentence::position))
                .toList();
        this.facts = inOrder.stream().map(Sentence::placed).toList();
        this.question = question.placed();
        int count = inOrder.size();
        pieces = new int[count + 1][];
        starts = new long[count + 1];
        for (int i = 0; i <= count; i++) {
            Sentence sentence = i < count ? inOrder.get(i) : question;
            pieces[i] = sentence.ids;
            starts[i] = sentence.position();
        }
        length = question.position() + question.ids.length;
        noisePosition = noiseStart;
    }

    /** A sentence, its ids and where it goes. */
    static final class Sentence {
        private final Placed placed;
        private final int[] ids;

        Sentence(String text, int[] ids, long position) {
            this.placed = new Placed(text, position, ids.length);
            this.ids = ids;
        }

        Placed placed() {
            return placed;
        }

        long position() {
            return placed.position();
        }
    }

    /** Index of the right answer in {@link MemoryTask#LABELS}. */
    public int label() {
        return label;
    }

    /** The right answer. */
    public String answer() {
        return MemoryTask.LABELS.get(label);
    }

    /** Content tokens, facts and question included: segment size x segments. */
    public long length() {
        return length;
    }

    public int segments() {
        return segments;
    }

    /** The facts in the order in which they are read. */
    public List<Placed> facts() {
        return facts;
    }

    /** The question, which ends the content. */
    public Placed question() {
        return question;
    }

    /** Facts, question and answer in one line, for people. */
    public String text() {
        StringBuilder text = new StringBuilder();
        for (Placed fact : facts) {
            text.append(fact.text()).append(" ... ");
        }
        return text.append(question.text()).append(' ').append(answer()).toString();
    }

    /** Goes back to the first token. */
    public void rewind() {
        position = 0;
        piece = 0;
        noisePosition = noiseStart;
    }

    @Override
    public int read(int[] ids, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, ids.length);
        if (length == 0) {
            return 0;
        }
        int done = 0;
        while (done < length && position < this.length) {
            int wanted = length - done;
            int count;
            if (position < starts[piece]) {
                count = (int) Math.min(wanted, starts[piece] - position);
                noisePosition = noise.copy(noisePosition, ids, offset + done, count);
            } else {
                count = readPiece(ids, offset + done, wanted);
            }
            done += count;
            position += count;
        }
        return done == 0 ? -1 : done;
    }

    private int readPiece(int[] ids, int offset, int wanted) {
        int[] source = pieces[piece];
        int from = (int) (position - starts[piece]);
        int count = Math.min(wanted, source.length - from);
        System.arraycopy(source, from, ids, offset, count);
        if (overwriting) {
            noisePosition = noise.skip(noisePosition, count);
        }
        if (from + count == source.length) {
            piece++;
        }
        return count;
    }

    @Override
    public String toString() {
        return text();
    }
}
