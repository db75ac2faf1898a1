package dev.rmt.benchmarks.report;

import java.util.Collections;
import java.util.List;

/** A table of a Markdown page. */
final class MarkdownTable {
    private final StringBuilder text = new StringBuilder();
    private final int columns;
    private int rows;

    MarkdownTable(String... titles) {
        columns = titles.length;
        line(List.of(titles));
        line(Collections.nCopies(columns, "---"));
    }

    MarkdownTable row(String... cells) {
        if (cells.length != columns) {
            throw new IllegalArgumentException(cells.length + " cells for " + columns + " columns");
        }
        line(List.of(cells));
        rows++;
        return this;
    }

    boolean isEmpty() {
        return rows == 0;
    }

    private void line(List<String> cells) {
        text.append("| ").append(String.join(" | ", cells)).append(" |\n");
    }

    @Override
    public String toString() {
        return text.toString();
    }
}
