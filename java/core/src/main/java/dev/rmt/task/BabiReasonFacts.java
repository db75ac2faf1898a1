package dev.rmt.task;

import dev.rmt.InputException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The stories of a file in the format of bAbI task 4: per story two fact lines and one question line, each with a running
 * number; the question is followed by a tab, the answer, and (not used) a tab and the numbers of the supporting facts.
 */
final class BabiReasonFacts implements ReasonFacts {
    private static final int MAX_LINE = 1000;
    private static final long MAX_BYTES = 64 << 20; // half a million stories
    private static final Pattern NUMBERED = Pattern.compile("(\\d{1,9}) (.*)");
    private static final Pattern FACT = Pattern.compile("The (\\w+) is (\\w+) of the (\\w+)\\.");
    private static final Pattern WHAT_IS_DIRECTION = Pattern.compile("What is (\\w+) of the (\\w+)\\?");
    private static final Pattern WHAT_IS_PLACE = Pattern.compile("What is the (\\w+) (\\w+) of\\?");

    private final List<ReasonStory> stories;

    private BabiReasonFacts(List<ReasonStory> stories) {
        this.stories = List.copyOf(stories);
    }

    static BabiReasonFacts read(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new InputException(
                    "The facts file " + file + (Files.exists(file) ? " is not a file" : " does not exist")
                            + ": give a file in the format of bAbI task 4.");
        }
        try (BufferedReader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            if (Files.size(file) > MAX_BYTES) {
                throw new InputException("The facts file " + file + " is larger than " + (MAX_BYTES >> 20)
                        + " MiB: give a file in the format of bAbI task 4.");
            }
            return new BabiReasonFacts(new Parser(file).parse(reader));
        } catch (MalformedInputException e) {
            throw new InputException(
                    "The facts file " + file + " is not UTF-8 text: give a file in the format of bAbI task 4.", e);
        } catch (IOException e) {
            throw new InputException("The facts file " + file + " cannot be read: " + e.getMessage(), e);
        }
    }

    List<ReasonStory> stories() {
        return stories;
    }

    @Override
    public ReasonStory draw(Split split, SplittableRandom random) {
        return stories.get(random.nextInt(stories.size()));
    }

    /** "The subject is direction of the object." */
    private record Relation(int subject, int direction, int object) {
        Relation reversed() {
            return new Relation(object, TaskWords.opposite(direction), subject);
        }
    }

    /** What a question asks: who is in that direction of that place. */
    private record Asked(int direction, int place) {}

    private static final class Parser {
        private final Path file;
        private final List<ReasonStory> stories = new ArrayList<>();
        private final List<String> facts = new ArrayList<>(); // of the story being read
        private int line;
        private int number; // of the last line within its story; 0 between stories

        Parser(Path file) {
            this.file = file;
        }

        List<ReasonStory> parse(BufferedReader reader) throws IOException {
            for (String text = reader.readLine(); text != null; text = reader.readLine()) {
                line++;
                if (!text.isBlank()) {
                    parseLine(text);
                }
            }
            if (number != 0) {
                throw wrong("the last story ends without a question");
            }
            if (stories.isEmpty()) {
                throw new InputException(
                        "The facts file " + file + " is empty: give a file in the format of bAbI task 4.");
            }
            return stories;
        }

        private void parseLine(String text) {
            Matcher numbered = NUMBERED.matcher(text);
            if (text.length() > MAX_LINE || !numbered.matches()) {
                throw wrong("expected a number, a space and a sentence, found \"" + shortened(text) + "\"");
            }
            if (Integer.parseInt(numbered.group(1)) != number + 1) {
                throw wrong("expected line number " + (number + 1) + " of the story, found " + numbered.group(1));
            }
            number++;
            String[] fields = numbered.group(2).split("\t", -1);
            if (fields.length == 1) {
                if (facts.size() == 2) {
                    throw wrong("expected a question after two facts, found \"" + shortened(fields[0]) + "\"");
                }
                relation(fields[0].strip());
                facts.add(fields[0].strip());
            } else {
                question(fields[0].strip(), fields[1].strip());
                facts.clear();
                number = 0;
            }
        }

        private Relation relation(String text) {
            Matcher m = FACT.matcher(text);
            if (!m.matches()) {
                throw wrong("expected a fact like \"The office is north of the kitchen.\", found \"" + shortened(text)
                        + "\"");
            }
            Relation relation = new Relation(place(m.group(1)), direction(m.group(2)), place(m.group(3)));
            if (relation.subject() == relation.object()) {
                throw wrong("the fact \"" + text + "\" relates a place to itself");
            }
            return relation;
        }

        private void question(String text, String answer) {
            if (facts.size() != 2) {
                throw wrong("expected two facts before the question, found " + facts.size());
            }
            Asked asked = asked(text);
            Relation told = new Relation(place(answer), asked.direction(), asked.place());
            Relation fact1 = relation(facts.get(0));
            Relation fact2 = relation(facts.get(1));
            if (!told.equals(fact1)
                    && !told.equals(fact1.reversed())
                    && !told.equals(fact2)
                    && !told.equals(fact2.reversed())) {
                throw wrong("the answer \"" + answer + "\" does not follow from the two facts of the story");
            }
            stories.add(new ReasonStory(facts.get(0), facts.get(1), text, told.subject()));
        }

        private Asked asked(String text) {
            Matcher m = WHAT_IS_DIRECTION.matcher(text);
            if (m.matches()) {
                return new Asked(direction(m.group(1)), place(m.group(2)));
            }
            m = WHAT_IS_PLACE.matcher(text);
            if (m.matches()) {
                return new Asked(TaskWords.opposite(direction(m.group(2))), place(m.group(1)));
            }
            throw wrong(
                    "expected a question like \"What is north of the kitchen?\" or \"What is the kitchen south of?\", found \""
                            + shortened(text) + "\"");
        }

        private int place(String word) {
            int place = TaskWords.PLACES.indexOf(word);
            if (place < 0) {
                throw wrong(
                        "\"" + shortened(word) + "\" is not one of the places " + String.join(", ", TaskWords.PLACES));
            }
            return place;
        }

        private int direction(String word) {
            int direction = TaskWords.DIRECTIONS.indexOf(word);
            if (direction < 0) {
                throw wrong("\"" + shortened(word) + "\" is not one of " + String.join(", ", TaskWords.DIRECTIONS));
            }
            return direction;
        }

        private InputException wrong(String what) {
            return new InputException("The facts file " + file + ", line " + line + ": " + what + ".");
        }

        private static String shortened(String text) {
            return text.length() <= 80 ? text : text.substring(0, 80) + "...";
        }
    }
}
