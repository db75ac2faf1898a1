package dev.rmt.checkpoint;

import static dev.rmt.checkpoint.CheckedFiles.quote;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.rmt.ModelFormatException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The JSON header of a safetensors file, parsed and checked as a whole: known types, products without overflow, and
 * tensors that cover the data of the file exactly, without overlaps and holes.
 */
final class SafetensorsHeader {
    private static final int MAX_TENSORS = 100_000;
    private static final int MAX_DIMENSIONS = 16;
    private static final int MAX_METADATA_ENTRIES = 10_000;
    private static final int MAX_METADATA_CHARS = 1 << 20;

    private final Path file;
    private final long dataBytes;
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final List<TensorInfo> tensors = new ArrayList<>();

    private SafetensorsHeader(Path file, long dataBytes) {
        this.file = file;
        this.dataBytes = dataBytes;
    }

    /**
     * @param json the bytes of the header
     * @param dataBytes bytes of the file behind the header
     */
    static SafetensorsHeader parse(Path file, byte[] json, long dataBytes) {
        SafetensorsHeader header = new SafetensorsHeader(file, dataBytes);
        // Said by the format, and what tells a header from arbitrary bytes (a byte order mark, another format).
        if (json.length == 0 || json[0] != '{') {
            throw header.error("its header does not start with '{'; it is not a safetensors file");
        }
        try (JsonParser parser = StrictJson.parser(json, 0, json.length)) {
            header.parseObject(parser);
        } catch (IOException e) {
            throw StrictJson.malformed("The header of " + file, e);
        }
        header.checkCoverage();
        return header;
    }

    Map<String, String> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /** In the order of the data. */
    List<TensorInfo> tensors() {
        return Collections.unmodifiableList(tensors);
    }

    private void parseObject(JsonParser parser) throws IOException {
        parser.nextToken();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            if (name.equals("__metadata__")) {
                parseMetadata(parser, value);
                continue;
            }
            if (tensors.size() == MAX_TENSORS) {
                throw error("it holds more than " + MAX_TENSORS + " tensors");
            }
            tensors.add(parseTensor(parser, name, value));
        }
        if (parser.nextToken() != null) {
            throw error("its header goes on after the JSON object");
        }
    }

    private void parseMetadata(JsonParser parser, JsonToken value) throws IOException {
        if (value != JsonToken.START_OBJECT) {
            throw error("__metadata__ in its header is not an object");
        }
        long chars = 0;
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            if (parser.nextToken() != JsonToken.VALUE_STRING) {
                throw error("the value of " + quote(key) + " in __metadata__ is not a string");
            }
            metadata.put(key, parser.getText());
            chars += key.length() + parser.getTextLength();
            if (metadata.size() > MAX_METADATA_ENTRIES || chars > MAX_METADATA_CHARS) {
                throw error("its __metadata__ has more than " + MAX_METADATA_ENTRIES + " entries or "
                        + MAX_METADATA_CHARS + " characters");
            }
        }
    }

    private TensorInfo parseTensor(JsonParser parser, String name, JsonToken value) throws IOException {
        if (value != JsonToken.START_OBJECT) {
            throw error(name, "is not described by an object");
        }
        DType dtype = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String field = parser.currentName();
            parser.nextToken();
            switch (field) {
                case "dtype" -> dtype = parseDtype(parser, name);
                case "shape" -> shape = parseNumbers(parser, name, field, MAX_DIMENSIONS);
                case "data_offsets" -> offsets = parseNumbers(parser, name, field, 2);
                default -> throw error(name, "has an unknown field " + quote(field));
            }
        }
        if (dtype == null || shape == null || offsets == null) {
            throw error(name, "lacks " + (dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets"));
        }
        if (offsets.size() != 2) {
            throw error(name, "has " + offsets.size() + " data_offsets instead of 2");
        }
        long begin = offsets.get(0);
        long end = offsets.get(1);
        if (begin > end) {
            throw error(name, "ends at byte " + end + ", before it begins at byte " + begin);
        }
        if (end > dataBytes) {
            throw error(
                    name,
                    "ends at byte " + end + " but the file has " + dataBytes
                            + " bytes of data; it may be cut short: copy or download it again");
        }
        long bytes = sizeOf(name, dtype, shape);
        if (bytes != end - begin) {
            throw error(
                    name,
                    "needs " + bytes + " bytes for " + dtype + " " + shape + " but its data_offsets hold "
                            + (end - begin));
        }
        return new TensorInfo(name, dtype, shape, begin, end);
    }

    private DType parseDtype(JsonParser parser, String name) throws IOException {
        if (parser.currentToken() != JsonToken.VALUE_STRING) {
            throw error(name, "has a dtype that is not a string");
        }
        DType dtype = DType.ofName(parser.getText());
        if (dtype == null) {
            throw error(name, "has the unknown dtype " + quote(parser.getText()));
        }
        return dtype;
    }

    /** An array of at most {@code max} integers from 0 to 2^63 - 1. */
    private List<Long> parseNumbers(JsonParser parser, String name, String field, int max) throws IOException {
        if (parser.currentToken() != JsonToken.START_ARRAY) {
            throw error(name, "has a " + field + " that is not an array");
        }
        List<Long> numbers = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT
                    || parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
                    || parser.getText().charAt(0) == '-') {
                throw error(
                        name,
                        "has " + CheckedFiles.clean(parser.getText()) + " in its " + field
                                + "; only integers from 0 to 2^63 - 1 can stand there");
            }
            if (numbers.size() == max) {
                throw error(name, "has more than " + max + " numbers in its " + field);
            }
            numbers.add(parser.getLongValue());
        }
        return numbers;
    }

    private long sizeOf(String name, DType dtype, List<Long> shape) {
        try {
            long bytes = dtype.bytes();
            for (long dimension : shape) {
                bytes = Math.multiplyExact(bytes, dimension);
            }
            return bytes;
        } catch (ArithmeticException e) {
            throw new ModelFormatException(
                    message("tensor " + quote(name) + " has the shape " + shape + ", more than 2^63 - 1 bytes"), e);
        }
    }

    private void checkCoverage() {
        tensors.sort(Comparator.comparingLong(TensorInfo::begin).thenComparingLong(TensorInfo::end));
        TensorInfo previous = null;
        for (TensorInfo tensor : tensors) {
            long covered = previous == null ? 0 : previous.end();
            if (tensor.begin() < covered) {
                throw error(
                        tensor.name(),
                        "begins at byte " + tensor.begin() + ", inside " + quote(previous.name())
                                + " that ends at byte " + covered);
            }
            if (tensor.begin() > covered) {
                throw error(
                        tensor.name(),
                        "begins at byte " + tensor.begin() + " but the tensors before it end at byte " + covered
                                + "; the bytes between belong to nothing");
            }
            // One empty tensor at a border is unambiguous, two at the same place are not.
            if (previous != null && tensor.begin() == previous.begin() && tensor.end() == previous.end()) {
                throw error(
                        tensor.name(),
                        "and " + quote(previous.name()) + " are both empty and share the offset " + tensor.begin());
            }
            previous = tensor;
        }
        long covered = previous == null ? 0 : previous.end();
        if (covered != dataBytes) {
            throw error("its tensors end at byte " + covered + " but the file has " + dataBytes
                    + " bytes of data; the bytes between belong to nothing");
        }
    }

    private ModelFormatException error(String tensor, String what) {
        return new ModelFormatException(message("tensor " + quote(tensor) + " " + what));
    }

    private ModelFormatException error(String what) {
        return new ModelFormatException(message(what));
    }

    private String message(String what) {
        return file + " is not a valid safetensors file: " + what + ".";
    }
}
