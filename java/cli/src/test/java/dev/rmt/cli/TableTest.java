package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import org.junit.jupiter.api.Test;

class TableTest {
    private final Table table = new Table(List.of(new Table.Column("task", 8), new Table.Column("segments", 4)));

    @Test
    void theFirstColumnIsAlignedLeftAndTheOthersRight() {
        assertThat(table.header()).isEqualTo("task      segments");
        assertThat(table.row(List.of("detect", "16"))).isEqualTo("detect          16");
    }

    @Test
    void aLongCellIsNotCut() {
        assertThat(table.row(List.of("memorize-everything", "1"))).isEqualTo("memorize-everything         1");
    }

    @Test
    void aRowNeedsACellForEachColumn() {
        assertThatIllegalArgumentException().isThrownBy(() -> table.row(List.of("detect")));
    }
}
