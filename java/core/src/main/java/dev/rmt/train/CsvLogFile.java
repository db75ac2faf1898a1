package dev.rmt.train;

import dev.rmt.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * One file of {@link CsvLog}. Rows are appended; where a row has a column that is new, the file is written anew with it, which
 * happens as often as a stage brings a new task.
 */
final class CsvLogFile implements AutoCloseable {
    private final Path path;
    private final String stepColumn;
    private List<String> columns = List.of();
    private FileChannel channel; // at the end of the file
    private long lastStep = -1; // of the last row; -1: there is none
    private long lastRow; // where that row begins

    /** @param stepColumn the column that rows are ordered by */
    CsvLogFile(Path path, String stepColumn) {
        this.path = path;
        this.stepColumn = stepColumn;
    }

    /** Opens the file, made if need be, and drops rows of steps after {@code step}. */
    void open(long step) throws IOException {
        CsvLogTable table =
                step > 0 && Files.exists(path) ? CsvLogTable.read(path) : new CsvLogTable(List.of(), List.of());
        int stepAt = table.column(stepColumn);
        if (!table.columns().isEmpty() && stepAt < 0) {
            throw new InputException(path + " is not a log of training: it has no column \"" + stepColumn
                    + "\"; move it away, and the run can go on.");
        }
        List<List<String>> kept = new ArrayList<>();
        for (int i = 0; i < table.rows().size(); i++) {
            double at = table.number(i, stepAt);
            if (at <= step) {
                kept.add(table.rows().get(i));
                lastStep = (long) at;
            }
        }
        rewrite(new CsvLogTable(table.columns(), kept));
    }

    /**
     * Appends a row, in the place of the last one if that is of the same step.
     *
     * @param fields by column; the first row decides the order, columns that are new go to the end
     */
    void write(long step, Map<String, String> fields) throws IOException {
        if (step == lastStep) {
            channel.truncate(lastRow);
            channel.position(lastRow);
        }
        Predicate<String> known = columns::contains;
        if (!fields.keySet().stream().allMatch(known)) {
            CsvLogTable table = CsvLogTable.read(path);
            List<String> wider = new ArrayList<>(columns);
            fields.keySet().stream().filter(known.negate()).forEach(wider::add);
            List<List<String>> rows = new ArrayList<>();
            for (List<String> row : table.rows()) {
                List<String> longer = new ArrayList<>(row);
                longer.addAll(Collections.nCopies(wider.size() - row.size(), ""));
                rows.add(longer);
            }
            rewrite(new CsvLogTable(wider, rows));
        }
        lastRow = channel.position();
        lastStep = step;
        append(CsvLogTable.line(
                columns.stream().map(name -> fields.getOrDefault(name, "")).toList()));
    }

    @Override
    public void close() throws IOException {
        if (channel != null) {
            channel.close();
            channel = null;
        }
    }

    /** Replaces the file as a whole, so that a crash leaves the old one or the new one. */
    private void rewrite(CsvLogTable table) throws IOException {
        close();
        columns = table.columns();
        Path temporary = path.resolveSibling("." + path.getFileName() + ".tmp");
        channel = FileChannel.open(
                temporary, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING);
        if (!columns.isEmpty()) {
            append(CsvLogTable.line(columns));
        }
        for (List<String> row : table.rows()) {
            lastRow = channel.position();
            append(CsvLogTable.line(row));
        }
        channel.force(true);
        Files.move(temporary, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private void append(String line) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
