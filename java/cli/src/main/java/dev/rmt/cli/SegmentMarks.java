package dev.rmt.cli;

import dev.rmt.SegmentView;
import dev.rmt.task.TaskSample.Placed;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * Positions of a segment that mean something.
 *
 * @param memory of the memory tokens
 * @param fact of the tokens of facts
 * @param question of the tokens of the question
 * @param readers [CLS] and the question, where one is answered
 */
record SegmentMarks(int[] memory, int[] fact, int[] question, int[] readers) {
    /**
     * @param facts by their place in the content of the text
     * @param questionTokens of the question that the text ends with, where this segment answers it
     * @param segmentSize content tokens of a full segment
     */
    static SegmentMarks of(SegmentView view, List<Placed> facts, int questionTokens, int segmentSize) {
        int[] memory = view.memoryStart() < 0
                ? new int[0]
                : IntStream.range(view.memoryStart(), view.memoryStart() + view.numMemTokens())
                        .toArray();
        int[] fact = facts.stream()
                .flatMapToInt(placed -> positions(view, placed, segmentSize))
                .sorted()
                .toArray();
        int end = view.contentStart() + view.contentTokens();
        int[] question =
                view.answering() ? IntStream.range(end - questionTokens, end).toArray() : new int[0];
        int[] readers = view.answering()
                ? IntStream.concat(IntStream.of(0), IntStream.of(question)).toArray()
                : new int[0];
        return new SegmentMarks(memory, fact, question, readers);
    }

    /** Positions of a sentence within the segment; none if it is elsewhere. */
    private static IntStream positions(SegmentView view, Placed placed, int segmentSize) {
        long first = view.index() * segmentSize;
        long begin = Math.max(placed.position(), first);
        long end = Math.min(placed.position() + placed.tokens(), first + view.contentTokens());
        return LongStream.range(begin, Math.max(begin, end))
                .mapToInt(position -> (int) (position - first) + view.contentStart());
    }
}
