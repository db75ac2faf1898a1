package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OutputFileTest {
    @TempDir
    Path folder;

    @Test
    void checkingLeavesNothingBehind() throws IOException {
        OutputFile.requireWritable("--json", folder.resolve("new.json"));
        try (var content = Files.list(folder)) {
            assertThat(content).isEmpty();
        }
    }

    @Test
    void aFolderInThePlaceOfTheFileIsRefused() {
        assertThatThrownBy(() -> OutputFile.requireWritable("--json", folder))
                .isInstanceOf(UnusableFileException.class)
                .hasMessageContaining("--json " + folder);
    }

    @Test
    void aMissingFolderIsRefusedAndNamed() {
        Path missing = folder.resolve("no/such");
        assertThatThrownBy(() -> OutputFile.requireWritable("--json", missing.resolve("x.json")))
                .isInstanceOf(UnusableFileException.class)
                .hasMessageContaining("no folder " + missing);
    }

    @Test
    void aFileIsReplacedAsAWhole() throws IOException {
        Path file = folder.resolve("x.json");
        OutputFile.write(file, "a longer text".getBytes(StandardCharsets.UTF_8));
        OutputFile.write(file, "short".getBytes(StandardCharsets.UTF_8));
        assertThat(file).hasContent("short");
        try (var content = Files.list(folder)) {
            assertThat(content).containsExactly(file);
        }
    }

    @Test
    void aDeviceFileIsWrittenInPlace() {
        Path nothing = Path.of("/dev/null");
        assumeTrue(Files.exists(nothing));
        assertThatCode(() -> {
                    OutputFile.requireWritable("--json", nothing);
                    OutputFile.write(nothing, new byte[] {1});
                })
                .doesNotThrowAnyException();
        assertThat(Files.isRegularFile(nothing)).isFalse();
    }
}
