package dev.rmt.task;

import java.util.Objects;

/**
 * Two facts and a question about one of them, in the words of bAbI task 4.
 *
 * @param fact1 for example {@code The office is north of the kitchen.}
 * @param fact2 for example {@code The garden is south of the kitchen.}
 * @param question {@code What is north of the kitchen?} or {@code What is the kitchen south of?}
 * @param answer index of the answered place in {@link MemoryTask#LABELS}
 */
public record ReasonStory(String fact1, String fact2, String question, int answer) {
    public ReasonStory {
        Objects.requireNonNull(fact1, "fact1");
        Objects.requireNonNull(fact2, "fact2");
        Objects.requireNonNull(question, "question");
        Objects.checkIndex(answer, MemoryTask.LABELS.size());
    }
}
