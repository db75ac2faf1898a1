package dev.rmt.task;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;

/**
 * All stories of bAbI task 4 ("two-argument relations"), in its proportions.
 *
 * <p>Three different places stand in a line on one axis (north-south or east-west); two facts relate the middle one to
 * each of its neighbours; one question asks for the other half of one of the facts. Counted in the 10,000 stories of the
 * "en-10k" training file, with what this generator draws in brackets:
 *
 * <ul>
 *   <li>layouts: all 2 x 6 x 5 x 4 = 240 occur, 22 to 62 times each; chi-square against the uniform law 252.8 at 239
 *       degrees of freedom (uniform);
 *   <li>the middle place is the object of both facts in 4,369 stories, of one in 4,556, of none in 1,075 (each fact on its
 *       own has the middle as its object with probability 2/3: 4,444, 4,444, 1,111);
 *   <li>the first fact tells of the northern or eastern pair in 5,012 stories (1/2);
 *   <li>the question is about the first fact in 4,994 (1/2);
 *   <li>it reads "What is north of the B?" in 5,022 and "What is the B south of?" in 4,978 (1/2).
 * </ul>
 *
 * <p>Without exception the question names the object of the fact that it is about and the answer is the subject: "The A is
 * north of the B." is asked for by "What is north of the B?" or "What is the B south of?", answer A. Never the other way round.
 */
final class GeneratedReasonFacts implements ReasonFacts {
    static final GeneratedReasonFacts INSTANCE = new GeneratedReasonFacts();

    /**
     * {@code first} is the northern or eastern end. Hash order decides which layouts are kept for validation: 2 of the 20
     * round each middle place on each axis.
     */
    record Layout(int axis, int first, int middle, int last) {
        private long hash() {
            int places = TaskWords.PLACES.size();
            int code = ((axis * places + middle) * places + first) * places + last;
            return SampleSeeds.mix(SALT * SampleSeeds.GOLDEN_GAMMA + code) >>> 1;
        }
    }

    /** Chosen so that in the 24 validation layouts each place is an end 8 times and a middle 4 times: no favoured answer. */
    private static final long SALT = 70_970;

    private static final int VALIDATION_LAYOUTS_PER_MIDDLE = 2;

    private final List<Layout> training;
    private final List<Layout> validation;

    private GeneratedReasonFacts() {
        List<Layout> forTraining = new ArrayList<>();
        List<Layout> forValidation = new ArrayList<>();
        for (int axis = 0; axis < 2; axis++) {
            for (int middle = 0; middle < TaskWords.PLACES.size(); middle++) {
                List<Layout> layouts = layouts(axis, middle);
                forValidation.addAll(layouts.subList(0, VALIDATION_LAYOUTS_PER_MIDDLE));
                forTraining.addAll(layouts.subList(VALIDATION_LAYOUTS_PER_MIDDLE, layouts.size()));
            }
        }
        training = List.copyOf(forTraining);
        validation = List.copyOf(forValidation);
    }

    /** The 20 layouts round one middle place, in the order of their hashes. */
    private static List<Layout> layouts(int axis, int middle) {
        int places = TaskWords.PLACES.size();
        Layout[] layouts = new Layout[(places - 1) * (places - 2)];
        int count = 0;
        for (int first = 0; first < places; first++) {
            for (int last = 0; last < places; last++) {
                if (first != middle && last != middle && first != last) {
                    layouts[count++] = new Layout(axis, first, middle, last);
                }
            }
        }
        Arrays.sort(layouts, Comparator.comparingLong(Layout::hash));
        return Arrays.asList(layouts);
    }

    List<Layout> layouts(Split split) {
        return split == Split.TRAINING ? training : validation;
    }

    @Override
    public ReasonStory draw(Split split, SplittableRandom random) {
        List<Layout> layouts = layouts(split);
        Layout layout = layouts.get(random.nextInt(layouts.size()));
        boolean middleIsObject1 = random.nextInt(3) < 2;
        boolean middleIsObject2 = random.nextInt(3) < 2;
        return story(layout, middleIsObject1, middleIsObject2, random.nextInt(8));
    }

    /**
     * @param middleIsObject1 whether the fact about the first end says "end is ... of the middle", or the reverse
     * @param middleIsObject2 the same for the fact about the last end
     * @param choice three bits: which fact is told first, which is asked for, which form the question has
     */
    static ReasonStory story(Layout layout, boolean middleIsObject1, boolean middleIsObject2, int choice) {
        int towardsFirst = 2 * layout.axis();
        Relation a = new Relation(layout.first(), towardsFirst, layout.middle()).reversedUnless(middleIsObject1);
        Relation b = new Relation(layout.last(), TaskWords.opposite(towardsFirst), layout.middle())
                .reversedUnless(middleIsObject2);
        boolean swapped = (choice & 1) != 0;
        Relation asked = (choice & 2) != 0 ? a : b;
        String question = (choice & 4) != 0
                ? TaskWords.whatIsDirectionOf(asked.direction(), asked.object())
                : TaskWords.whatIsPlaceDirectionOf(asked.object(), TaskWords.opposite(asked.direction()));
        return new ReasonStory((swapped ? b : a).text(), (swapped ? a : b).text(), question, asked.subject());
    }

    /** "The subject is direction of the object." */
    private record Relation(int subject, int direction, int object) {
        Relation reversedUnless(boolean keep) {
            return keep ? this : new Relation(object, TaskWords.opposite(direction), subject);
        }

        String text() {
            return TaskWords.relation(subject, direction, object);
        }
    }
}
