package dev.rmt.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.rmt.InputException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * A mapping of a YAML file that is read key by key. What is wrong with it is said with the file and the path of the key; a key
 * that nobody asked for is wrong too, see {@link #end}.
 */
final class YamlMap {
    private final String file;
    private final String path; // empty: the whole file
    private final ObjectNode node;
    private final Set<String> known = new LinkedHashSet<>();

    private YamlMap(String file, String path, ObjectNode node) {
        this.file = file;
        this.path = path;
        this.node = node;
    }

    /**
     * @param file its name, for messages
     * @throws InputException if the text is no YAML or no mapping, or has a key twice
     */
    static YamlMap parse(String file, String text) {
        YAMLMapper mapper = new YAMLMapper(YAMLFactory.builder()
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                .build());
        try {
            JsonNode node = mapper.readTree(text);
            if (node == null || !node.isObject()) {
                throw new InputException(file + ": expected a mapping of keys to values, as in \"stages: ...\".");
            }
            return new YamlMap(file, "", (ObjectNode) node);
        } catch (JsonProcessingException e) {
            long line = e.getLocation() == null ? -1 : e.getLocation().getLineNr();
            String what = e.getOriginalMessage()
                    .lines()
                    .filter(part -> !part.startsWith(" ")) // not the excerpts of the text
                    .collect(Collectors.joining(", "));
            throw new InputException(file + (line > 0 ? ", line " + line : "") + ": " + what + ".", e);
        }
    }

    /** The same mapping on top of another: what it does not say is taken from there. Lists are not mixed. */
    YamlMap over(YamlMap defaults) {
        return new YamlMap(file, path, merged(defaults.node, node));
    }

    private static ObjectNode merged(ObjectNode low, ObjectNode high) {
        ObjectNode out = low.deepCopy();
        high.properties().forEach(entry -> {
            JsonNode below = out.get(entry.getKey());
            boolean both = below != null && below.isObject() && entry.getValue().isObject();
            out.set(
                    entry.getKey(),
                    both ? merged((ObjectNode) below, (ObjectNode) entry.getValue()) : entry.getValue());
        });
        return out;
    }

    boolean has(String key) {
        known.add(key);
        return node.has(key) && !node.get(key).isNull();
    }

    /** All keys, in the order of the file. */
    List<String> keys() {
        List<String> keys = new ArrayList<>();
        node.fieldNames().forEachRemaining(keys::add);
        return keys;
    }

    private JsonNode required(String key, String what) {
        if (!has(key)) {
            throw new InputException(file + ": " + pathOf(key) + " is missing; it must be " + what + ".");
        }
        return node.get(key);
    }

    int integer(String key, int least) {
        return (int) longInteger(key, least, Integer.MAX_VALUE);
    }

    int integer(String key, int otherwise, int least) {
        return has(key) ? integer(key, least) : otherwise;
    }

    long longInteger(String key, long least, long most) {
        String what = "a whole number of " + least + " or more";
        JsonNode value = required(key, what);
        // 3e3 is not an integer for Jackson, 1_000 is none for YAML 1.2: both are taken where they are whole.
        double number = value.isNumber() ? value.asDouble() : parsed(value);
        if (!(number >= least && number <= most) || number != Math.rint(number) || Math.abs(number) > 1L << 53) {
            throw wrong(key, value, what);
        }
        return (long) number;
    }

    double number(String key) {
        JsonNode value = required(key, "a number");
        double number = value.isNumber() ? value.asDouble() : parsed(value);
        if (!Double.isFinite(number)) {
            throw wrong(key, value, "a number");
        }
        return number;
    }

    double number(String key, double otherwise) {
        return has(key) ? number(key) : otherwise;
    }

    /** YAML takes 1e-5 for a text, since there is no point in it. */
    private static double parsed(JsonNode value) {
        boolean looksLikeNumber =
                value.isTextual() && value.asText().matches("[-+]?[0-9][0-9_]*(\\.[0-9]*)?([eE][-+]?[0-9]+)?");
        return looksLikeNumber ? Double.parseDouble(value.asText().replace("_", "")) : Double.NaN;
    }

    boolean flag(String key, boolean otherwise) {
        if (!has(key)) {
            return otherwise;
        }
        JsonNode value = node.get(key);
        if (!value.isBoolean()) {
            throw wrong(key, value, "true or false");
        }
        return value.asBoolean();
    }

    String text(String key) {
        JsonNode value = required(key, "a text");
        if (!value.isValueNode()) {
            throw wrong(key, value, "a text");
        }
        return value.asText();
    }

    String text(String key, String otherwise) {
        return has(key) ? text(key) : otherwise;
    }

    /** One of several values, by the word that they are written as; {@code otherwise} null: it must be there. */
    @SafeVarargs
    final <T> T word(String key, T otherwise, T... choices) {
        if (otherwise != null && !has(key)) {
            return otherwise;
        }
        String text = text(key);
        List<String> words = new ArrayList<>();
        for (T choice : choices) {
            if (choice.toString().equalsIgnoreCase(text)) {
                return choice;
            }
            words.add(choice.toString().toLowerCase(Locale.ROOT));
        }
        throw wrong(key, node.get(key), "one of " + String.join(", ", words));
    }

    /** A mapping within this one; an empty one where it is not there. */
    YamlMap map(String key) {
        JsonNode value = has(key) ? node.get(key) : JsonNodeFactory.instance.objectNode();
        return asMap(pathOf(key), value);
    }

    /** Mappings within this one, by key. */
    Map<String, YamlMap> maps(String key) {
        Map<String, YamlMap> maps = new LinkedHashMap<>();
        YamlMap outer = map(key);
        for (String name : outer.keys()) {
            maps.put(name, outer.map(name));
        }
        return maps;
    }

    /** A list of mappings; there must be at least one. */
    List<YamlMap> list(String key) {
        JsonNode value = required(key, "a list");
        if (!value.isArray() || value.isEmpty()) {
            throw wrong(key, value, "a list with at least one element");
        }
        List<YamlMap> maps = new ArrayList<>();
        for (int i = 0; i < value.size(); i++) {
            maps.add(asMap(pathOf(key) + "[" + (i + 1) + "]", value.get(i)));
        }
        return maps;
    }

    /** A list of numbers. */
    <T> List<T> numbers(String key, List<T> otherwise, Function<Double, T> as) {
        if (!has(key)) {
            return otherwise;
        }
        JsonNode value = node.get(key);
        List<T> numbers = new ArrayList<>();
        for (Iterator<JsonNode> i = value.elements(); value.isArray() && i.hasNext(); ) {
            JsonNode element = i.next();
            if (!element.isNumber()) {
                throw wrong(key, value, "a list of numbers");
            }
            numbers.add(as.apply(element.asDouble()));
        }
        if (!value.isArray()) {
            throw wrong(key, value, "a list of numbers");
        }
        return numbers;
    }

    /** A list of texts; none where the key is missing. */
    List<String> texts(String key) {
        List<String> texts = new ArrayList<>();
        if (has(key)) {
            JsonNode value = node.get(key);
            for (JsonNode element : value) {
                if (!value.isArray() || !element.isTextual()) {
                    throw wrong(key, value, "a list of words");
                }
                texts.add(element.textValue());
            }
            if (!value.isArray()) {
                throw wrong(key, value, "a list of words");
            }
        }
        return texts;
    }

    private YamlMap asMap(String where, JsonNode value) {
        if (!value.isObject()) {
            throw new InputException(
                    file + ": " + where + " is " + shown(value) + "; it must be a mapping of keys to values.");
        }
        return new YamlMap(file, where, (ObjectNode) value);
    }

    /** Makes something of this mapping; what it refuses is said with the path. */
    <T> T make(Function<YamlMap, T> maker) {
        try {
            T made = maker.apply(this);
            end();
            return made;
        } catch (IllegalArgumentException e) {
            end(); // a misspelled key may be the reason
            throw new InputException(file + ": " + (path.isEmpty() ? "" : path + ": ") + e.getMessage(), e);
        }
    }

    /** Says that everything has been asked for: any other key is a mistake. */
    void end() {
        for (String key : keys()) {
            if (!known.contains(key)) {
                throw new InputException(file + ": " + pathOf(key) + " is not known; "
                        + (path.isEmpty() ? "the file" : path) + " may have " + String.join(", ", known) + ".");
            }
        }
    }

    /** A key that must be one of these names, and is not. */
    InputException unknown(String key, List<String> names) {
        return new InputException(file + ": " + pathOf(key) + " is not known; there "
                + (names.isEmpty() ? "are none." : "are " + String.join(", ", names) + "."));
    }

    InputException wrong(String key, String what) {
        return wrong(key, node.get(key), what);
    }

    private InputException wrong(String key, JsonNode value, String what) {
        return new InputException(file + ": " + pathOf(key) + " is " + shown(value) + "; it must be " + what + ".");
    }

    private static String shown(JsonNode value) {
        String text = value == null ? "missing" : value.isTextual() ? "\"" + value.asText() + "\"" : value.toString();
        return text.length() <= 60 ? text : text.substring(0, 60) + "...";
    }

    private String pathOf(String key) {
        return path.isEmpty() ? key : path + "." + key;
    }
}
