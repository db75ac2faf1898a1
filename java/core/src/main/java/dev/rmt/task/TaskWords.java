package dev.rmt.task;

import java.util.ArrayList;
import java.util.List;

/** The words and sentences of the tasks, in the wording of bAbI, and the test whether a text could pass for a fact. */
final class TaskWords {
    static final List<String> PLACES = List.of("bathroom", "hallway", "garden", "office", "bedroom", "kitchen");
    static final List<String> NAMES = List.of("Mary", "John", "Daniel", "Sandra");
    static final List<String> ACTIONS = List.of("moved", "went", "went back", "journeyed", "travelled");
    /** Opposites differ in the lowest bit; the upper bit is the axis. */
    static final List<String> DIRECTIONS = List.of("north", "south", "east", "west");

    private TaskWords() {}

    static int opposite(int direction) {
        return direction ^ 1;
    }

    static String movement(int name, int action, int place) {
        return NAMES.get(name) + " " + ACTIONS.get(action) + " to the " + PLACES.get(place) + ".";
    }

    static String whereIs(int name) {
        return "Where is " + NAMES.get(name) + "?";
    }

    static String relation(int subject, int direction, int object) {
        return "The " + PLACES.get(subject) + " is " + DIRECTIONS.get(direction) + " of the " + PLACES.get(object)
                + ".";
    }

    /** "What is north of the kitchen?" */
    static String whatIsDirectionOf(int direction, int place) {
        return "What is " + DIRECTIONS.get(direction) + " of the " + PLACES.get(place) + "?";
    }

    /** "What is the kitchen south of?" */
    static String whatIsPlaceDirectionOf(int place, int direction) {
        return "What is the " + PLACES.get(place) + " " + DIRECTIONS.get(direction) + " of?";
    }

    static List<String> movements() {
        List<String> all = new ArrayList<>();
        for (int name = 0; name < NAMES.size(); name++) {
            for (int action = 0; action < ACTIONS.size(); action++) {
                for (int place = 0; place < PLACES.size(); place++) {
                    all.add(movement(name, action, place));
                }
            }
        }
        return all;
    }

    static List<String> movementQuestions() {
        List<String> all = new ArrayList<>();
        for (int name = 0; name < NAMES.size(); name++) {
            all.add(whereIs(name));
        }
        return all;
    }

    static List<String> relations() {
        List<String> all = new ArrayList<>();
        for (int subject = 0; subject < PLACES.size(); subject++) {
            for (int direction = 0; direction < DIRECTIONS.size(); direction++) {
                for (int object = 0; object < PLACES.size(); object++) {
                    if (subject != object) {
                        all.add(relation(subject, direction, object));
                    }
                }
            }
        }
        return all;
    }

    static List<String> relationQuestions() {
        List<String> all = new ArrayList<>();
        for (int place = 0; place < PLACES.size(); place++) {
            for (int direction = 0; direction < DIRECTIONS.size(); direction++) {
                all.add(whatIsDirectionOf(direction, place));
                all.add(whatIsPlaceDirectionOf(place, direction));
            }
        }
        return all;
    }

    /**
     * Whether a sentence could be taken for a fact: it holds a task name and a place, or two different places and a
     * compass word. Whole words (runs of letters and digits), whatever their case.
     */
    static boolean couldBeFact(CharSequence sentence) {
        boolean name = false;
        boolean direction = false;
        int firstPlace = -1;
        boolean secondPlace = false;
        int end = sentence.length();
        int i = 0;
        while (i < end) {
            if (!Character.isLetterOrDigit(sentence.charAt(i))) {
                i++;
                continue;
            }
            int start = i;
            while (i < end && Character.isLetterOrDigit(sentence.charAt(i))) {
                i++;
            }
            // Every word looked for has 4 to 8 letters.
            if (i - start >= 4 && i - start <= 8) {
                int place = indexOf(PLACES, sentence, start, i);
                if (place >= 0) {
                    secondPlace |= firstPlace >= 0 && place != firstPlace;
                    firstPlace = place;
                }
                name |= indexOf(NAMES, sentence, start, i) >= 0;
                direction |= indexOf(DIRECTIONS, sentence, start, i) >= 0;
            }
        }
        return firstPlace >= 0 && (name || (secondPlace && direction));
    }

    private static int indexOf(List<String> words, CharSequence text, int start, int end) {
        for (int w = 0; w < words.size(); w++) {
            String word = words.get(w);
            if (word.length() == end - start) {
                int k = 0;
                while (k < word.length()
                        && Character.toLowerCase(word.charAt(k)) == Character.toLowerCase(text.charAt(start + k))) {
                    k++;
                }
                if (k == word.length()) {
                    return w;
                }
            }
        }
        return -1;
    }
}
