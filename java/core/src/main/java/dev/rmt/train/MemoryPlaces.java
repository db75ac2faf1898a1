package dev.rmt.train;

import dev.rmt.task.TaskFact;
import dev.rmt.task.TrainingFacts;

/**
 * Which of ten memory rows stands for which fact, in the ways that {@link ProbeSpec.Rule} names. A register is a classifier that
 * all rows share: a row with several of them can hold several facts.
 */
final class MemoryPlaces {
    /** Rows that stand for facts. */
    static final int ROWS = 10;

    /** Registers of a row by {@link #register}. */
    static final int REGISTERS = 3;

    /** Registers of a row by {@link #directionRegister}: a direction each, and persons. */
    static final int DIRECTION_REGISTERS = TrainingFacts.DIRECTIONS + 1;

    private static final int[] ROWS_OF_PERSONS = {2, 3, 6, 7};

    private MemoryPlaces() {}

    /**
     * Scattered, together with {@link #register}: every key has a place of its own, and the two facts of a story, which lie on
     * one axis, hardly ever share a row. North and south of the first five objects share register 0 of the rows, east and west
     * register 1, shifted by four rows; the rest and the persons fill register 2.
     */
    static int row(int key) {
        int object = key / TrainingFacts.DIRECTIONS;
        int direction = key % TrainingFacts.DIRECTIONS;
        if (object >= TrainingFacts.PLACES) {
            return ROWS_OF_PERSONS[direction];
        }
        boolean eastOrWest = direction >= 2;
        if (object == TrainingFacts.PLACES - 1) {
            return (eastOrWest ? 5 : 1) - direction % 2;
        }
        return (2 * object + direction % 2 + (eastOrWest ? 4 : 0)) % ROWS;
    }

    /** The register of {@link #row}, 0 ... 2. */
    static int register(int key) {
        int object = key / TrainingFacts.DIRECTIONS;
        return object >= TrainingFacts.PLACES - 1 ? 2 : key % TrainingFacts.DIRECTIONS / 2;
    }

    /** In order, together with {@link #directionRegister}: a row for each object and each person. */
    static int objectRow(int key) {
        int object = key / TrainingFacts.DIRECTIONS;
        return object < TrainingFacts.PLACES ? object : TrainingFacts.PLACES + key % TrainingFacts.DIRECTIONS;
    }

    /** The register of {@link #objectRow}, 0 ... 4. */
    static int directionRegister(int key) {
        return key / TrainingFacts.DIRECTIONS < TrainingFacts.PLACES
                ? key % TrainingFacts.DIRECTIONS
                : TrainingFacts.DIRECTIONS;
    }

    /** Two rows for a fact, which it may share with another: that of its last place, and that of its direction or name. */
    static int[] slots(TaskFact fact) {
        int second = fact.ofPerson() ? fact.name() : fact.direction();
        return new int[] {fact.lastPlace(), TrainingFacts.PLACES + second};
    }
}
