package dev.rmt.task;

import java.util.Objects;
import java.util.SplittableRandom;

/**
 * One fact of the tasks, as training needs to know it: what it is asked by, and what the answer is.
 *
 * <p>Questions name the object and the direction of a relation, or a person; so the key of "The office is north of the
 * kitchen." is (kitchen, north), and that of "Mary went to the garden." is Mary.
 *
 * @param key object x 4 + direction for a relation (0 ... 23), 24 + name for a person
 * @param answer index of the answer in {@link MemoryTask#LABELS}
 * @param text the sentence
 */
public record TaskFact(int key, int answer, String text) {
    /** How many keys there are. */
    public static final int KEYS = TaskWords.PLACES.size() * TaskWords.DIRECTIONS.size() + TaskWords.NAMES.size();

    private static final int FIRST_PERSON = TaskWords.PLACES.size() * TaskWords.DIRECTIONS.size();

    public TaskFact {
        Objects.checkIndex(key, KEYS);
        Objects.checkIndex(answer, MemoryTask.LABELS.size());
        Objects.requireNonNull(text, "text");
    }

    static TaskFact person(int name, int action, int place) {
        return new TaskFact(FIRST_PERSON + name, place, TaskWords.movement(name, action, place));
    }

    static TaskFact relation(int subject, int direction, int object) {
        return new TaskFact(
                object * TaskWords.DIRECTIONS.size() + direction,
                subject,
                TaskWords.relation(subject, direction, object));
    }

    /** Whether it says where a person is, and not how two places lie. */
    public boolean ofPerson() {
        return key >= FIRST_PERSON;
    }

    /** The person, 0 ... 3. Only of a fact about one. */
    public int name() {
        return key - FIRST_PERSON;
    }

    /** The place that the sentence ends with, an index of {@link MemoryTask#LABELS}: where the person is, or the object. */
    public int lastPlace() {
        return ofPerson() ? answer : key / TaskWords.DIRECTIONS.size();
    }

    /** The direction of a relation, 0 ... 3. Only of a relation. */
    public int direction() {
        return key % TaskWords.DIRECTIONS.size();
    }

    /** A question for this fact, in one of the forms that there are for it. */
    public String question(SplittableRandom random) {
        if (ofPerson()) {
            return TaskWords.whereIs(name());
        }
        return random.nextBoolean()
                ? TaskWords.whatIsDirectionOf(direction(), lastPlace())
                : TaskWords.whatIsPlaceDirectionOf(lastPlace(), TaskWords.opposite(direction()));
    }
}
