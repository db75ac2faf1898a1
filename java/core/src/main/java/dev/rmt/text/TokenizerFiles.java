package dev.rmt.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import dev.rmt.ModelFormatException;
import dev.rmt.json.JsonTree;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Reads the small text and JSON files of a tokenizer, strictly, and says in one sentence what is wrong with one. */
final class TokenizerFiles {
    /** Far above any real vocabulary; a wrong file must not fill the heap. */
    private static final long MAX_BYTES = 32L << 20;

    private static final int MAX_SHOWN = 60;

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            // A tokenizer.json has a name for every piece: they must not fill tables that outlive the parser.
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .build();

    private TokenizerFiles() {}

    /** A file of UTF-8 that is not empty, without a byte order mark. */
    static String readText(Path file) {
        try {
            if (Files.isDirectory(file)) {
                throw new ModelFormatException(file + " is a directory; a file is expected there.");
            }
            if (Files.exists(file) && !Files.isRegularFile(file)) {
                throw new ModelFormatException(file + " is a pipe or a device; only a regular file can be read.");
            }
            long size = Files.size(file);
            if (size == 0) {
                throw new ModelFormatException(file + " is empty.");
            }
            if (size > MAX_BYTES) {
                throw new ModelFormatException(file + " has " + size + " bytes; at most " + MAX_BYTES
                        + " are expected. Check that it is the right file.");
            }
            byte[] bytes = Files.readAllBytes(file);
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
            return text.startsWith("\uFEFF") ? text.substring(1) : text;
        } catch (CharacterCodingException e) {
            throw new ModelFormatException(file + " is not valid UTF-8.", e);
        } catch (NoSuchFileException e) {
            throw new ModelFormatException(file + " does not exist.", e);
        } catch (AccessDeniedException e) {
            throw new ModelFormatException(file + " cannot be read: permission denied.", e);
        } catch (IOException e) {
            throw new ModelFormatException(file + " cannot be read: " + e.getMessage() + ".", e);
        }
    }

    /** A file that holds one JSON object without duplicate names. */
    static JsonNode readObject(Path file) {
        String text = readText(file);
        try (JsonParser parser = JSON.createParser(text)) {
            JsonNode node = JsonTree.read(parser);
            if (node == null || !node.isObject()) {
                throw new ModelFormatException(file + " does not hold a JSON object.");
            }
            return node;
        } catch (JsonProcessingException e) {
            String at = e.getLocation() == null
                    ? ""
                    : " (line " + e.getLocation().getLineNr() + ", column "
                            + e.getLocation().getColumnNr() + ")";
            throw new ModelFormatException(
                    file + " is not valid JSON" + at + ": " + shown(e.getOriginalMessage()) + ".", e);
        } catch (IOException e) {
            throw new IllegalStateException("A text in memory can be read.", e);
        }
    }

    /** A text out of a file, fit for a message: in quotes, one line, cut. */
    static String quote(String text) {
        return '"' + shown(text) + '"';
    }

    private static String shown(String text) {
        StringBuilder shown = new StringBuilder();
        for (int i = 0; i < Math.min(text.length(), MAX_SHOWN); i++) {
            char c = text.charAt(i);
            shown.append(Character.isISOControl(c) || Character.isSurrogate(c) ? '?' : c);
        }
        return text.length() > MAX_SHOWN ? shown + "..." : shown.toString();
    }

    /** The named field if it is there and not null. */
    static JsonNode field(JsonNode object, String name) {
        JsonNode value = object.get(name);
        return value == null || value.isNull() ? null : value;
    }

    static boolean booleanField(JsonNode object, String name, boolean otherwise, Path file) {
        JsonNode value = field(object, name);
        if (value == null) {
            return otherwise;
        }
        if (!value.isBoolean()) {
            throw new ModelFormatException(
                    file + ": \"" + name + "\" is " + quote(value.toString()) + "; true or false is expected.");
        }
        return value.booleanValue();
    }

    static String textField(JsonNode object, String name, String otherwise, Path file) {
        JsonNode value = field(object, name);
        if (value == null) {
            return otherwise;
        }
        if (!value.isTextual()) {
            throw new ModelFormatException(
                    file + ": \"" + name + "\" is " + quote(value.toString()) + "; a text is expected.");
        }
        return value.textValue();
    }
}
