package dev.rmt.task;

import static dev.rmt.task.ProseLexicon.*;

import java.io.IOException;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * Writes readable English prose without end: paragraphs about a person, a place and a thing, from a grammar of a few dozen
 * sentences and a few hundred words. No sentence could pass for a fact of the tasks, though their names and places occur. The
 * same seed writes the same text. For one thread.
 */
public final class ProseGenerator {
    private static final int FORMS = 40;

    private final SplittableRandom random;

    // What the paragraph being written is about.
    private String hero;
    private String he;
    private String his;
    private String him;
    private String role;
    private String place;
    private String thing;
    private long usedForms; // one bit each: no form of sentence comes twice in a paragraph
    private boolean named; // the hero was named in this paragraph, so that a pronoun will do

    public ProseGenerator(long seed) {
        random = new SplittableRandom(SampleSeeds.mix(seed));
    }

    /**
     * Writes whole paragraphs, with a blank line behind each, until there are at least {@code characters}.
     *
     * @return how many characters were written
     */
    public long write(Appendable out, long characters) throws IOException {
        long written = 0;
        while (written < characters) {
            String paragraph = nextParagraph();
            out.append(paragraph).append("\n\n");
            written += paragraph.length() + 2;
        }
        return written;
    }

    /** The next paragraph: 3 to 9 sentences on one line. */
    public String nextParagraph() {
        boolean woman = random.nextBoolean();
        hero = pick(woman ? WOMEN : MEN);
        he = woman ? "she" : "he";
        his = woman ? "her" : "his";
        him = woman ? "her" : "him";
        role = pick(ROLES);
        choosePlace();
        thing = pick(OBJECTS);
        usedForms = 0;
        named = false;
        StringBuilder paragraph = new StringBuilder();
        int sentences = 3 + random.nextInt(7);
        for (int i = 0; i < sentences; i++) {
            if (i > 0) {
                paragraph.append(' ');
            }
            paragraph.append(nextSentence());
        }
        return paragraph.toString();
    }

    private String nextSentence() {
        while (true) {
            boolean wasNamed = named;
            long usedBefore = usedForms;
            String sentence = capitalised(sentence());
            if (!TaskWords.couldBeFact(sentence)) {
                return sentence;
            }
            named = wasNamed;
            usedForms = usedBefore;
        }
    }

    /** Not a place of the tasks for a hero of the tasks: "she went to the garden" would be as good as a fact. */
    private void choosePlace() {
        do {
            place = pick(PLACES);
        } while (TaskWords.couldBeFact(hero + " " + place));
    }

    private int unusedForm() {
        int form;
        do {
            form = random.nextInt(FORMS);
        } while ((usedForms >>> form & 1) != 0);
        usedForms |= 1L << form;
        return form;
    }

    private String sentence() {
        return switch (unusedForm()) {
            case 0 -> pick(TIMES) + " " + hero() + " " + pick(MOTIONS) + " to the " + place + ".";
            case 1 ->
                hero() + " " + pick(MOTIONS) + " " + pick(ADVERBS) + " back to the " + place + " and " + handled()
                        + ".";
            case 2 ->
                hero() + " had " + pick(HANDLED) + " the " + thing() + " that the " + role + " left behind the " + place
                        + ".";
            case 3 -> hero() + " was " + person() + ", so " + he + " " + pick(DID) + " for a while " + inPlace() + ".";
            case 4 -> "although the " + role + " was " + two(PERSON_ADJECTIVES) + ", " + hero() + " " + handled() + ".";
            case 5 -> "\"" + pick(OPINIONS) + ",\" " + pick(SAID) + " " + speaker() + ".";
            case 6 -> "\"" + pick(QUESTIONS) + "?\" asked " + speaker() + ", and " + pick(DID) + ".";
            case 7 ->
                pick(NATURE) + " lay over the " + pick(PLACES) + ", and " + animal() + " " + pick(ANIMALS_DID)
                        + " by the " + pick(SURFACES) + ".";
            case 8 ->
                pick(HABITS) + " the " + role + " " + pick(HANDLED) + " the " + thing() + " and put it on the "
                        + pick(SURFACES) + ".";
            case 9 -> "the " + place + " was " + two(PLACE_ADJECTIVES) + ", but " + hero() + " liked it.";
            case 10 -> "nothing is harder to find than " + two(ABSTRACTS).replace(" and ", ", unless it is ") + ".";
            case 11 -> two(ABSTRACTS) + " seldom live under one roof, " + hero() + " thought.";
            case 12 -> "who had " + pick(HANDLED) + " the " + thing() + "?";
            case 13 ->
                pick(NUMBERS) + " " + pick(THING_ADJECTIVES) + " " + plural(pick(OBJECTS)) + " lay on the "
                        + pick(SURFACES) + " of the " + place + ".";
            case 14 ->
                "the " + role + " who lived near the " + pick(PLACES) + " had never " + pick(HANDLED) + " "
                        + article(pick(THING_ADJECTIVES) + " " + pick(OBJECTS)) + ".";
            case 15 ->
                hero() + " " + two(HANDLED) + " the " + thing() + " and " + pick(DID) + " until " + pick(UNTIL) + ".";
            case 16 ->
                "far to the " + pick(DIRECTIONS) + " of the " + pick(PLACES) + " one could see " + pick(NATURE)
                        + " above " + article(pick(PLACE_ADJECTIVES) + " " + pick(PLACES)) + ".";
            case 17 -> "nobody " + inPlace() + " had seen the " + person() + " " + role + " since " + pick(SINCE) + ".";
            case 18 ->
                "the " + pick("letter", "newspaper", "postman", "message", "neighbour") + " said that " + pick(NEWS)
                        + ".";
            case 19 ->
                "if the " + role + " had " + pick(HANDLED) + " the " + thing + ", " + hero() + " would have "
                        + pick(DID) + ".";
            case 20 -> hero() + " wanted to " + pick(WISHES) + ", but " + pick(NEWS) + ".";
            case 21 ->
                "there was " + article(pick(THING_ADJECTIVES) + " " + pick(OBJECTS)) + " " + inPlace()
                        + ", and beside it " + article(pick(THING_ADJECTIVES) + " " + thing) + ".";
            case 22 ->
                "the " + thing + " belonged to " + pick(OWNERS) + ", or so the " + role + " had "
                        + pick("promised", "believed", "heard", "decided", "supposed") + ".";
            case 23 ->
                pick(TIMES) + ", when the " + pick(PLACES) + " was " + pick(PLACE_ADJECTIVES) + ", the " + role + " "
                        + two(DID) + ".";
            case 24 ->
                hero() + " remembered how " + his + " "
                        + pick("mother", "father", "sister", "brother", "grandfather", "aunt") + " had " + pick(HANDLED)
                        + " " + article(thing()) + " " + pick(TIMES) + ".";
            case 25 ->
                "the " + pick(ANIMALS) + " " + pick("followed", "watched", "feared", "avoided", "trusted") + " "
                        + himOrHero() + " as far as the " + pick(PLACES) + ".";
            case 26 ->
                "it took the " + role + " " + pick(NUMBERS) + " " + pick("hours", "days", "weeks", "months", "years")
                        + " to understand that " + pick(NEWS) + ".";
            case 27 ->
                "between the " + place + " and the " + pick(PLACES) + " there was only "
                        + article(pick(PLACE_ADJECTIVES) + " "
                                + pick("road", "path", "field", "wood", "lane", "square", "garden"))
                        + ".";
            case 28 ->
                "\"Give the " + thing + " to the " + pick(ROLES) + ",\" " + pick(SAID) + " " + speaker()
                        + ", \"because " + pick(NEWS) + ".\"";
            case 29 ->
                "in the end " + hero() + " kept " + his + " "
                        + pick("word", "promise", "secret", "temper", "place", "money") + " and " + pick(DID)
                        + " with the " + role + ".";
            case 30 ->
                "while the " + role + " " + pick(DID) + " and the " + pick(ROLES) + " " + pick(DID) + ", " + hero()
                        + " " + pick(HANDLED) + " the " + thing() + " " + pick(ADVERBS) + ", as if " + pick(NEWS)
                        + ".";
            case 31 ->
                "one day " + article(person() + " " + pick(ROLES)) + " came to the " + place + ", asked for "
                        + article(thing()) + ", and told everybody that " + pick(NEWS) + ".";
            case 32 ->
                "not even the " + pick(ROLES) + " could say why " + hero() + " had " + pick(HANDLED) + " so many "
                        + plural(pick(OBJECTS)) + ".";
            case 33 ->
                "of all the " + plural(thing) + " that were " + pick(HANDLED) + " that year, the one on the "
                        + pick(SURFACES) + " was the most "
                        + pick("admired", "useful", "curious", "expensive", "carefully made") + ".";
            case 34 ->
                hero() + " never " + pick(HANDLED) + " " + article(pick(OBJECTS)) + " without thinking of "
                        + pick(ABSTRACTS) + ".";
            case 35 ->
                "the " + role + " had " + pick(NUMBERS) + " children, the eldest of whom was " + person()
                        + " and the youngest " + person() + ".";
            case 36 -> "what " + hero() + " feared was not " + two(ABSTRACTS).replace(" and ", " but ") + ".";
            case 37 -> pick(NATURE) + " came, then " + pick(NATURE) + ", and still no " + pick(ROLES) + ".";
            case 38 ->
                "the road to the " + pick(PLACES) + " is long, " + pick(SAID) + " the " + role + ", and "
                        + pick(OPINIONS) + ".";
            default ->
                "it was " + hero() + " who " + pick(HANDLED) + " the " + thing() + ", although the " + role
                        + " and the " + pick(ROLES) + " said afterwards that they had " + pick(HANDLED) + " it.";
        };
    }

    /** The hero, by name the first time in a paragraph and now and then later, otherwise by pronoun. */
    private String hero() {
        if (named && random.nextInt(3) > 0) {
            return he;
        }
        named = true;
        return hero;
    }

    private String himOrHero() {
        return named ? him : hero();
    }

    private String speaker() {
        return random.nextBoolean() ? hero : "the " + (random.nextBoolean() ? person() + " " : "") + role;
    }

    private String handled() {
        return pick(HANDLED) + " the " + thing();
    }

    /** The thing that the paragraph is about, or another, sometimes described. */
    private String thing() {
        String object = random.nextInt(3) > 0 ? thing : pick(OBJECTS);
        return random.nextBoolean() ? object : pick(THING_ADJECTIVES) + " " + object;
    }

    private String person() {
        return pick(PERSON_ADJECTIVES);
    }

    private String animal() {
        return article(pick(ANIMALS));
    }

    /** Two different ones: "cold and empty". */
    private String two(String[] words) {
        String first = pick(words);
        String second;
        do {
            second = pick(words);
        } while (second.equals(first));
        return first + " and " + second;
    }

    private String inPlace() {
        return (OPEN_PLACES.contains(place) ? "at the " : "in the ") + place;
    }

    private String pick(String... words) {
        return words[random.nextInt(words.length)];
    }

    private static String article(String noun) {
        return ("aeiou".indexOf(noun.charAt(0)) >= 0 && !noun.startsWith("use") ? "an " : "a ") + noun;
    }

    private static String plural(String noun) {
        if (noun.endsWith("fe")) {
            return noun.substring(0, noun.length() - 2) + "ves";
        }
        boolean hisses = noun.endsWith("s") || noun.endsWith("x") || noun.endsWith("ch") || noun.endsWith("sh");
        return noun + (hisses ? "es" : "s");
    }

    private static String capitalised(String sentence) {
        int first = sentence.charAt(0) == '"' ? 1 : 0;
        return sentence.substring(0, first)
                + sentence.substring(first, first + 1).toUpperCase(Locale.ROOT)
                + sentence.substring(first + 1);
    }
}
