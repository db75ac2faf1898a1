package dev.rmt.task;

import dev.rmt.text.Vocabulary;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Phrases that look like facts of the tasks and are none: parts of them, other people, other verbs, other words in their
 * place, their words in another order. None of them tells where a person is, in the words of the tasks, or how two places
 * lie.
 */
final class NearFacts {
    private static final String[] OTHERS = {
        "he", "she", "i", "they", "peter", "anna", "we", "ruth", "james", "the man", "the girl", "mr brown", "it"
    };
    private static final String[] PREPOSITIONS = {"in", "into", "at", "from", "near", "by", "towards", "behind"};
    private static final String[] VERBS = {"ran", "walked", "came", "looked", "spoke", "returned", "ran back", "hurried"
    };
    private static final double SHUFFLED = 0.12;
    private static final int FORMS = 24;

    private final SplittableRandom random;
    private final List<String> words;
    private final List<String> facts = new ArrayList<>();

    /** @param vocabulary its whole words stand in where any word may stand */
    NearFacts(Vocabulary vocabulary, SplittableRandom random) {
        this.random = random;
        Set<String> taken = new HashSet<>();
        for (List<String> list : List.of(TaskWords.PLACES, TaskWords.NAMES, TaskWords.DIRECTIONS, TaskWords.ACTIONS)) {
            list.forEach(word -> taken.add(word.toLowerCase(Locale.ROOT)));
        }
        words = vocabulary.pieces().stream()
                .filter(piece -> piece.length() > 2 && piece.chars().allMatch(Character::isLetter))
                .filter(piece -> !taken.contains(piece.toLowerCase(Locale.ROOT)))
                .toList();
        facts.addAll(TaskWords.movements());
        facts.addAll(TaskWords.relations());
        facts.addAll(TaskWords.movementQuestions());
        facts.addAll(TaskWords.relationQuestions());
    }

    String next() {
        return random.nextDouble() < SHUFFLED ? shuffled() : phrase();
    }

    /** The words of a sentence of the tasks, at least three of them elsewhere: two could be the places of a relation. */
    private String shuffled() {
        while (true) {
            String sentence = facts.get(random.nextInt(facts.size())).toLowerCase(Locale.ROOT);
            String[] before = sentence.substring(0, sentence.length() - 1).split(" ");
            String[] after = before.clone();
            for (int i = after.length - 1; i > 0; i--) {
                int j = random.nextInt(i + 1);
                String word = after[i];
                after[i] = after[j];
                after[j] = word;
            }
            int moved = 0;
            for (int i = 0; i < before.length; i++) {
                moved += before[i].equals(after[i]) ? 0 : 1;
            }
            if (moved >= 3) {
                return String.join(" ", Arrays.asList(after));
            }
        }
    }

    private String phrase() {
        return switch (random.nextInt(FORMS)) {
            case 0 -> place();
            case 1 -> preposition() + " the " + place();
            case 2 -> "to the " + place() + ".";
            case 3 -> other() + " " + action() + " to the " + place() + ".";
            case 4 -> name() + " " + verb() + " to the " + word() + ".";
            case 5 -> name() + " " + verb() + " " + preposition() + " the " + place() + ".";
            case 6 -> other() + " " + verb() + " to the " + place() + ".";
            case 7 -> name() + " was in the " + place() + ".";
            case 8 -> name() + " " + action() + " to the " + word() + ".";
            case 9 -> "the " + place() + " is " + direction() + " of the " + word() + ".";
            case 10 -> "the " + word() + " is " + direction() + " of the " + place() + ".";
            case 11 -> "the " + place() + " was " + word() + " the " + place() + ".";
            case 12 -> direction() + " of the " + place();
            case 13 -> "the " + place() + " is";
            case 14 -> "the " + place() + " is " + word() + " of the " + place() + ".";
            case 15 -> name();
            case 16 -> name() + " " + action();
            case 17 -> word() + " to the " + place() + ".";
            case 18 -> direction();
            case 19 -> "is " + direction() + " of the " + place() + ".";
            case 20 -> name() + " " + word() + " to the " + place() + ".";
            case 21 -> "the " + place() + " " + word() + " " + direction() + " of the " + place();
            case 22 -> name() + " " + word() + " " + word() + " " + action() + " to the " + place();
            default -> "the " + place() + " of the " + place();
        };
    }

    private String place() {
        return pick(TaskWords.PLACES);
    }

    private String name() {
        return pick(TaskWords.NAMES);
    }

    private String direction() {
        return pick(TaskWords.DIRECTIONS);
    }

    private String action() {
        return pick(TaskWords.ACTIONS);
    }

    private String word() {
        return pick(words);
    }

    private String other() {
        return OTHERS[random.nextInt(OTHERS.length)];
    }

    private String verb() {
        return VERBS[random.nextInt(VERBS.length)];
    }

    private String preposition() {
        return PREPOSITIONS[random.nextInt(PREPOSITIONS.length)];
    }

    private String pick(List<String> list) {
        return list.get(random.nextInt(list.size()));
    }
}
