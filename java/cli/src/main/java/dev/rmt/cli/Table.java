package dev.rmt.cli;

import java.util.List;

/** A table whose rows are printed as they come: columns have fixed widths; the first is aligned left, the others right. */
final class Table {
    private static final String GAP = "  ";

    private final List<Column> columns;

    /** @param width characters; a longer cell pushes its row to the right rather than being cut */
    record Column(String title, int width) {}

    Table(List<Column> columns) {
        this.columns = List.copyOf(columns);
    }

    String header() {
        return row(columns.stream().map(Column::title).toList());
    }

    String row(List<String> cells) {
        if (cells.size() != columns.size()) {
            throw new IllegalArgumentException(cells.size() + " cells for " + columns.size() + " columns");
        }
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < cells.size(); i++) {
            Column column = columns.get(i);
            String padding = " "
                    .repeat(Math.max(
                            0,
                            Math.max(column.width(), column.title().length())
                                    - cells.get(i).length()));
            line.append(i == 0 ? "" : GAP);
            line.append(i == 0 ? cells.get(i) + padding : padding + cells.get(i));
        }
        return line.toString().stripTrailing();
    }
}
