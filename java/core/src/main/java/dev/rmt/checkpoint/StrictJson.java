package dev.rmt.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import dev.rmt.ModelFormatException;
import dev.rmt.json.JsonTree;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** JSON of untrusted files: UTF-8 only, no duplicate names, limited nesting. */
final class StrictJson {
    private static final int MAX_JSON_BYTES = 16 << 20;
    private static final int MAX_STRING_CHARS = 1 << 20;
    private static final int MAX_NESTING = 32;

    private static final JsonFactory FACTORY = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            // Names come from strangers: they must not fill tables that outlive the parser.
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_NESTING)
                    .maxStringLength(MAX_STRING_CHARS)
                    .build())
            .build();

    private StrictJson() {}

    /** A parser over UTF-8 bytes; malformed UTF-8 is a {@link CharacterCodingException}. */
    static JsonParser parser(byte[] bytes, int offset, int length) throws IOException {
        // A Reader of our own: given bytes, Jackson would also accept UTF-16 and UTF-32.
        Reader reader = new InputStreamReader(
                new ByteArrayInputStream(bytes, offset, length),
                StandardCharsets.UTF_8
                        .newDecoder()
                        .onMalformedInput(CodingErrorAction.REPORT)
                        .onUnmappableCharacter(CodingErrorAction.REPORT));
        return FACTORY.createParser(reader);
    }

    /** The object that a file holds. */
    static JsonNode readObject(Path file) {
        byte[] bytes = CheckedFiles.readAll(file, MAX_JSON_BYTES);
        if (bytes.length == 0) {
            throw new ModelFormatException(file + " is empty; a JSON object is expected there.");
        }
        try (JsonParser parser = parser(bytes, 0, bytes.length)) {
            JsonNode node = JsonTree.read(parser);
            if (node == null || !node.isObject()) {
                throw new ModelFormatException(file + " does not hold a JSON object.");
            }
            return node;
        } catch (IOException e) {
            throw malformed(file.toString(), e);
        }
    }

    /** @param where what holds the JSON, for the message */
    static ModelFormatException malformed(String where, IOException e) {
        if (e instanceof CharacterCodingException) {
            return new ModelFormatException(where + " is not valid UTF-8.", e);
        }
        if (e instanceof JsonProcessingException json) {
            String at = json.getLocation() == null
                    ? ""
                    : " (line " + json.getLocation().getLineNr() + ", column "
                            + json.getLocation().getColumnNr() + ")";
            // Jackson goes on about its own settings and sources: nothing that whoever has the file could change.
            String problem = json.getOriginalMessage()
                    .replaceFirst(", from `[^`]*`", "")
                    .replaceFirst("(?s)( \\((start marker|for \\S+ starting) at |: enable `| \\[?Source: ).*", "");
            return new ModelFormatException(
                    where + " is not valid JSON" + at + ": " + CheckedFiles.clean(problem) + ".", e);
        }
        return new ModelFormatException(where + " cannot be read: " + CheckedFiles.reason(e) + ".", e);
    }
}
