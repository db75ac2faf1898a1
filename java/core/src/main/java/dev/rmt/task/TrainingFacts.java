package dev.rmt.task;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/** Draws the facts of training documents. No two relations that it gives together make a layout kept for validation. */
public final class TrainingFacts {
    /** How many places a relation or a person can be asked for or answered with. */
    public static final int PLACES = TaskWords.PLACES.size();

    public static final int DIRECTIONS = TaskWords.DIRECTIONS.size();
    public static final int NAMES = TaskWords.NAMES.size();

    private static final List<GeneratedReasonFacts.Layout> LAYOUTS =
            GeneratedReasonFacts.INSTANCE.layouts(Split.TRAINING);
    private static final Set<GeneratedReasonFacts.Layout> HELD_OUT =
            Set.copyOf(GeneratedReasonFacts.INSTANCE.layouts(Split.VALIDATION));

    private TrainingFacts() {}

    /** Where somebody is. */
    public static TaskFact person(SplittableRandom random) {
        return person(random.nextInt(NAMES), random);
    }

    private static TaskFact person(int name, SplittableRandom random) {
        return TaskFact.person(name, random.nextInt(TaskWords.ACTIONS.size()), random.nextInt(PLACES));
    }

    /** How two places lie. */
    public static TaskFact relation(SplittableRandom random) {
        int[] places = differentPlaces(2, random);
        return TaskFact.relation(places[0], random.nextInt(DIRECTIONS), places[1]);
    }

    /** The two facts of a story of {@link TaskKind#REASON}, in the proportions of bAbI, in either order. */
    public static List<TaskFact> story(SplittableRandom random) {
        GeneratedReasonFacts.Layout layout = LAYOUTS.get(random.nextInt(LAYOUTS.size()));
        int towardsFirst = 2 * layout.axis();
        int back = TaskWords.opposite(towardsFirst);
        TaskFact a = random.nextInt(3) < 2
                ? TaskFact.relation(layout.first(), towardsFirst, layout.middle())
                : TaskFact.relation(layout.middle(), back, layout.first());
        TaskFact b = random.nextInt(3) < 2
                ? TaskFact.relation(layout.last(), back, layout.middle())
                : TaskFact.relation(layout.middle(), towardsFirst, layout.last());
        return random.nextBoolean() ? List.of(a, b) : List.of(b, a);
    }

    /** Two relations of four different places: easier than a story, since no place is in both. */
    public static List<TaskFact> unrelated(SplittableRandom random) {
        int[] places = differentPlaces(4, random);
        return List.of(
                TaskFact.relation(places[0], random.nextInt(DIRECTIONS), places[1]),
                TaskFact.relation(places[2], random.nextInt(DIRECTIONS), places[3]));
    }

    /** Where several people are; each of them once. */
    public static List<TaskFact> persons(int count, SplittableRandom random) {
        List<Integer> names = new ArrayList<>();
        for (int name = 0; name < NAMES; name++) {
            names.add(random.nextInt(name + 1), name);
        }
        List<TaskFact> facts = new ArrayList<>();
        for (int name : names.subList(0, Math.min(count, NAMES))) {
            facts.add(person(name, random));
        }
        return facts;
    }

    /** Several relations, each with a key of its own. */
    public static List<TaskFact> relations(int count, SplittableRandom random) {
        List<TaskFact> facts = new ArrayList<>();
        while (facts.size() < count) {
            TaskFact fact = relation(random);
            boolean fits = facts.stream().allMatch(other -> other.key() != fact.key() && !heldOut(fact, other));
            if (fits) {
                facts.add(fact);
            }
        }
        return facts;
    }

    /** Whether two relations together say a layout that is kept for validation. */
    static boolean heldOut(TaskFact a, TaskFact b) {
        return !Collections.disjoint(layouts(a, b), HELD_OUT);
    }

    /** The lines of three places that two relations say. */
    private static Set<GeneratedReasonFacts.Layout> layouts(TaskFact a, TaskFact b) {
        Set<GeneratedReasonFacts.Layout> layouts = new HashSet<>();
        int axis = a.direction() / 2;
        if (axis == b.direction() / 2) {
            if (behind(a) == ahead(b)) {
                layouts.add(new GeneratedReasonFacts.Layout(axis, ahead(a), behind(a), behind(b)));
            }
            if (behind(b) == ahead(a)) {
                layouts.add(new GeneratedReasonFacts.Layout(axis, ahead(b), behind(b), behind(a)));
            }
        }
        return layouts;
    }

    /** The northern or eastern place of a relation. */
    private static int ahead(TaskFact relation) {
        return relation.direction() % 2 == 0 ? relation.answer() : relation.lastPlace();
    }

    private static int behind(TaskFact relation) {
        return relation.direction() % 2 == 0 ? relation.lastPlace() : relation.answer();
    }

    private static int[] differentPlaces(int count, SplittableRandom random) {
        int[] places = new int[PLACES];
        for (int i = 0; i < PLACES; i++) {
            int j = random.nextInt(i + 1);
            places[i] = places[j];
            places[j] = i;
        }
        return Arrays.copyOf(places, count);
    }
}
