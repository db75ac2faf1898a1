package dev.rmt.train;

import dev.rmt.InputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;

/**
 * A file of comma-separated values that {@link CsvLog} wrote: a line of names, then rows, fields quoted where they must be
 * (RFC 4180). Columns may have come later than the first rows; those rows have nothing there.
 *
 * @param columns names, all different
 * @param rows as many fields each as there are columns
 */
public record CsvLogTable(List<String> columns, List<List<String>> rows) {
    private static final char BYTE_ORDER_MARK = '\uFEFF';

    public CsvLogTable {
        columns = List.copyOf(columns);
        rows = List.copyOf(rows);
    }

    /**
     * Reads a file. A last line without a line end is one that a process did not live to finish: it is left out.
     *
     * @throws InputException if it is not such a file
     */
    public static CsvLogTable read(Path file) throws IOException {
        String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        List<List<String>> lines =
                parse(text.isEmpty() || text.charAt(0) != BYTE_ORDER_MARK ? text : text.substring(1));
        if (lines.isEmpty()) {
            return new CsvLogTable(List.of(), List.of());
        }
        List<String> columns = lines.get(0);
        if (new HashSet<>(columns).size() < columns.size()) {
            throw new InputException(file + " is not a log of training: a column stands in it twice.");
        }
        for (int i = 1; i < lines.size(); i++) {
            if (lines.get(i).size() != columns.size()) {
                throw new InputException(file + " is not a log of training: row " + i + " has "
                        + lines.get(i).size() + " fields, and there are " + columns.size() + " columns.");
            }
        }
        return new CsvLogTable(columns, lines.subList(1, lines.size()));
    }

    /** Index of a column; -1: there is none of that name. */
    public int column(String name) {
        return columns.indexOf(name);
    }

    /** The field of a row as a number; NaN where it is empty or no number. */
    public double number(int row, int column) {
        String field = rows.get(row).get(column);
        try {
            return field.isEmpty() ? Double.NaN : Double.parseDouble(field);
        } catch (NumberFormatException e) {
            return Double.NaN;
        }
    }

    /** A line as it stands in the file, its end included. */
    static String line(List<String> fields) {
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < fields.size(); i++) {
            line.append(i == 0 ? "" : ",").append(quoted(fields.get(i)));
        }
        return line.append('\n').toString();
    }

    private static String quoted(String field) {
        boolean plain = field.chars().noneMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r');
        return plain ? field : '"' + field.replace("\"", "\"\"") + '"';
    }

    private static List<List<String>> parse(String text) {
        List<List<String>> lines = new ArrayList<>();
        List<String> line = new ArrayList<>();
        StringBuilder field = new StringBuilder();
        boolean inQuotes = false;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (inQuotes) {
                if (c != '"') {
                    field.append(c);
                } else if (i + 1 < text.length() && text.charAt(i + 1) == '"') {
                    field.append(c);
                    i++;
                } else {
                    inQuotes = false;
                }
            } else if (c == '"') {
                inQuotes = true;
            } else if (c == ',' || c == '\n') {
                line.add(field.toString());
                field.setLength(0);
                if (c == '\n') {
                    lines.add(List.copyOf(line));
                    line.clear();
                }
            } else if (c != '\r') {
                field.append(c);
            }
        }
        return lines;
    }
}
