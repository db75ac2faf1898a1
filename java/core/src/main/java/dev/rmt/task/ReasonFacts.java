package dev.rmt.task;

import java.nio.file.Path;
import java.util.SplittableRandom;

/** Where the facts of {@link TaskKind#REASON} come from. Immutable; may be shared by threads. */
public interface ReasonFacts {
    /** Draws one story; the same state of {@code random} gives the same story. */
    ReasonStory draw(Split split, SplittableRandom random);

    /**
     * The built-in generator: every story that bAbI task 4 can tell, in its proportions. No set of two facts, and no
     * layout of three places, is in both splits.
     */
    static ReasonFacts generated() {
        return GeneratedReasonFacts.INSTANCE;
    }

    /**
     * The stories of a file in the format of bAbI task 4, drawn uniformly. The file is taken as it is for either split:
     * who brings files brings one for each.
     *
     * @throws dev.rmt.InputException if the file cannot be read, is empty, or has a line that is not of that format (named)
     */
    static ReasonFacts fromBabi(Path file) {
        return BabiReasonFacts.read(file);
    }
}
