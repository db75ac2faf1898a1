package dev.rmt.cli;

import dev.rmt.SegmentView;
import java.util.List;
import java.util.Locale;

/**
 * What memory does in a segment, as figure 6 of the RMT paper shows it, and how to find the head in which it is seen best: the
 * one with the largest share of attention from certain rows to certain columns.
 */
enum MemoryOperation {
    /** Memory rows attend to the first fact. */
    WRITE("detect and write", "memory attends to the fact"),
    /** Memory rows attend to memory in a segment without a fact. */
    KEEP("keep", "memory attends to memory"),
    /** Memory rows attend to a later fact, and to memory. */
    APPEND("append", "memory attends to the new fact and to memory"),
    /** [CLS] and the question attend to memory. */
    READ("read and answer", "[CLS] and the question attend to memory");

    private final String title;
    private final String meaning;

    MemoryOperation(String title, String meaning) {
        this.title = title;
        this.meaning = meaning;
    }

    /**
     * Where an operation is seen.
     *
     * @param toFact share of the rows' attention that goes to facts
     * @param toMemory share that goes to memory
     * @param evenly what the columns would get if attention were spread evenly
     */
    record Seen(
            MemoryOperation operation,
            long segment,
            int layer,
            int head,
            double toFact,
            double toMemory,
            double evenly) {
        /** Share of attention that makes the operation. */
        double share() {
            return switch (operation) {
                case WRITE -> toFact;
                case KEEP, READ -> toMemory;
                case APPEND -> toFact + toMemory;
            };
        }

        /** Larger where the operation is seen better. Appending needs both: a head that looks at memory alone keeps. */
        private double score() {
            return operation == APPEND ? Math.min(toFact, toMemory) : share();
        }
    }

    /**
     * The head of a segment in which this is seen best, among the view's layers and these heads; null: the segment has not
     * what it needs.
     */
    Seen find(SegmentView view, List<Integer> heads, SegmentMarks marks) {
        int[] rows = this == READ ? marks.readers() : marks.memory();
        boolean needsFact = this == WRITE || this == APPEND;
        if (rows.length == 0 || marks.memory().length == 0 || (needsFact && marks.fact().length == 0)) {
            return null;
        }
        int columns = (needsFact ? marks.fact().length : 0) + (this == WRITE ? 0 : marks.memory().length);
        Seen best = null;
        for (int layer : view.layers()) {
            for (int head : heads) {
                Seen seen = new Seen(
                        this,
                        view.index(),
                        layer,
                        head,
                        view.share(layer, head, rows, marks.fact()),
                        view.share(layer, head, rows, marks.memory()),
                        (double) columns / view.length());
                if (best == null || seen.score() > best.score()) {
                    best = seen;
                }
            }
        }
        return best;
    }

    /** "detect and write". */
    String title() {
        return title;
    }

    /** "memory attends to the fact". */
    String meaning() {
        return meaning;
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
