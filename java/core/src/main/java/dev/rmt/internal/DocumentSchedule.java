package dev.rmt.internal;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.stream.IntStream;

/**
 * Which document stands in which slot when, for more documents than slots: the longest begin, and a slot whose document
 * has ended takes the longest that is left (the LPT rule: at most 4/3 of the least number of steps there is). All slots end
 * together, one with less to read begins later. No more documents than slots: document d stands in slot d.
 */
final class DocumentSchedule {
    private final List<List<Integer>> queues = new ArrayList<>();
    private final long[] starts;
    private final long steps;

    /** A slot and the steps that its documents take so far. */
    private record Load(int slot, long steps) {}

    /** @param segments number of segments of each document */
    DocumentSchedule(long[] segments, int slots) {
        int used = Math.min(slots, segments.length);
        PriorityQueue<Load> loads =
                new PriorityQueue<>(Comparator.comparingLong(Load::steps).thenComparingInt(Load::slot));
        for (int slot = 0; slot < used; slot++) {
            queues.add(new ArrayList<>());
            loads.add(new Load(slot, 0));
        }
        IntStream documents = IntStream.range(0, segments.length);
        List<Integer> order = segments.length <= slots
                ? documents.boxed().toList()
                : documents
                        .boxed()
                        .sorted(Comparator.comparingLong((Integer d) -> segments[d])
                                .reversed())
                        .toList();
        for (int document : order) {
            Load least = loads.remove();
            queues.get(least.slot()).add(document);
            loads.add(new Load(least.slot(), Math.addExact(least.steps(), segments[document])));
        }
        steps = loads.stream().mapToLong(Load::steps).max().orElseThrow();
        starts = new long[used];
        loads.forEach(load -> starts[load.slot()] = steps - load.steps());
    }

    /** Slots that have documents: 0 ... slots - 1. */
    int slots() {
        return queues.size();
    }

    /** Documents of a slot, one after another. */
    List<Integer> documents(int slot) {
        return queues.get(slot);
    }

    /** Step in which a slot's first document begins. */
    long start(int slot) {
        return starts[slot];
    }

    /** Steps until the last document has ended; a step reads one segment of each slot that has begun. */
    long steps() {
        return steps;
    }
}
