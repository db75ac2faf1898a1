package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunFolderTest {
    @TempDir
    Path parent;

    private Path folder;

    @BeforeEach
    void setUp() {
        folder = parent.resolve("run");
    }

    @Test
    void aNewFolderIsMadeAndTakenOnce() {
        try (RunFolder first = RunFolder.take(folder, false)) {
            assertThat(first).isNotNull();
            assertThatThrownBy(() -> RunFolder.take(folder, false))
                    .isInstanceOf(UnusableFileException.class)
                    .hasMessageContaining("another process");
        }
        try (RunFolder second = RunFolder.take(folder, false)) {
            assertThat(second).as("free again").isNotNull();
        }
    }

    @Test
    void piecesThatAKilledRunLeftCountForNothing() throws IOException {
        Files.createDirectories(folder.resolve(".checkpoint-1a2b3c.tmp"));
        Files.createFile(folder.resolve(".lock"));
        try (RunFolder taken = RunFolder.take(folder, false)) {
            assertThat(taken).isNotNull();
        }
        Files.createFile(folder.resolve(".profile"));
        assertThatThrownBy(() -> RunFolder.take(folder, false)).hasMessageContaining("not empty");
    }

    @Test
    void aCheckpointThatIsUnderItsOtherNameIsACheckpoint() throws IOException {
        Files.createDirectories(folder.resolve("checkpoint.previous"));
        assertThatThrownBy(() -> RunFolder.take(folder, false)).hasMessageContaining("--resume goes on");
        try (RunFolder taken = RunFolder.take(folder, true)) {
            assertThat(taken).isNotNull();
        }
    }

    @Test
    void nothingIsMadeInAFolderThatIsRefused() throws IOException {
        Files.createDirectory(folder);
        Files.writeString(folder.resolve("letter.txt"), "x");
        assertThatThrownBy(() -> RunFolder.take(folder, false)).isInstanceOf(UnusableFileException.class);
        assertThatThrownBy(() -> RunFolder.take(folder, true)).isInstanceOf(UnusableFileException.class);
        try (var content = Files.list(folder)) {
            assertThat(content).containsExactly(folder.resolve("letter.txt"));
        }
    }
}
