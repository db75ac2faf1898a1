package dev.rmt.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.ModelFormatException;
import dev.rmt.RmtException;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A folder that is replaced as a whole is there and whole at every moment. */
class HashedFolderTest {
    @TempDir
    private Path temporary;

    @Test
    void whatIsWrittenIsFoundAndReplacedAsAWhole() throws IOException {
        write("first");
        write("second");

        assertThat(HashedFolder.find(folder())).contains(folder());
        assertThat(folder().resolve("content")).hasContent("second");
        assertThat(temporary).isDirectoryContaining("glob:**/state").isDirectoryNotContaining("glob:**/{.,state.}*");
    }

    @Test
    void nothingIsFoundWhereNothingWasWritten() {
        assertThat(HashedFolder.find(folder())).isEmpty();
    }

    @Test
    void aFullDiskLeavesTheOldOne() throws IOException {
        write("first");

        assertThatThrownBy(() -> HashedFolder.write(folder(), inside -> {
                    Files.writeString(inside.resolve("content"), "half");
                    throw new FileSystemException("content", null, "No space left on device");
                }))
                .isInstanceOf(RmtException.class)
                .hasMessage("Cannot write " + folder() + ": No space left on device.");

        assertThat(HashedFolder.find(folder()).orElseThrow().resolve("content")).hasContent("first");
        assertThat(temporary).isDirectoryNotContaining("glob:**/.*");
    }

    @Test
    void afterACrashBetweenTheTwoRenamesTheOldOneIsFoundAndThenReplaced() throws IOException {
        write("first");
        Files.move(folder(), temporary.resolve("state.previous"));

        assertThat(HashedFolder.find(folder()).orElseThrow().resolve("content")).hasContent("first");

        write("second");
        assertThat(HashedFolder.find(folder())).contains(folder());
        assertThat(temporary.resolve("state.previous")).doesNotExist();
    }

    @Test
    void afterACrashBeforeTheOldOneWasDeletedTheNewOneIsFound() throws IOException {
        write("first");
        Files.move(folder(), temporary.resolve("state.previous"));
        write("second");
        Files.createDirectory(temporary.resolve("state.previous"));
        Files.writeString(temporary.resolve("state.previous/content"), "rest");

        assertThat(HashedFolder.find(folder()).orElseThrow().resolve("content")).hasContent("second");

        write("third");
        assertThat(temporary.resolve("state.previous")).doesNotExist();
    }

    @Test
    void whatKilledWritersLeftIsDeletedByTheNext() throws IOException {
        Path leftover = Files.createDirectory(temporary.resolve(".state-7f3a.tmp"));
        Files.writeString(leftover.resolve("content"), "half");
        Path foreign = Files.createDirectory(temporary.resolve(".other-7f3a.tmp"));

        write("first");

        assertThat(leftover).doesNotExist();
        assertThat(foreign).exists();
    }

    @Test
    void aChangedAMissingAndAForeignFileAreNamed() throws IOException {
        write("first");
        Files.writeString(folder().resolve("content"), "fiRst");
        assertThatThrownBy(() -> HashedFolder.find(folder()))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("content has the SHA-256")
                .hasMessageContaining("it was changed or damaged.");

        Files.delete(folder().resolve("content"));
        assertThatThrownBy(() -> HashedFolder.find(folder()))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("lists content, which is not there");

        write("second");
        Files.writeString(folder().resolve("foreign"), "?");
        assertThatThrownBy(() -> HashedFolder.find(folder()))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("does not list foreign");

        write("third");
        Files.delete(folder().resolve(HashedFolder.MANIFEST));
        assertThatThrownBy(() -> HashedFolder.find(folder())).isInstanceOf(ModelFormatException.class);
    }

    @Test
    void aFileInThePlaceOfTheFolderIsNotOverwritten() throws IOException {
        Files.writeString(folder(), "a file");

        assertThatThrownBy(() -> write("first"))
                .isInstanceOf(RmtException.class)
                .hasMessageContaining("is a file");

        assertThat(folder()).hasContent("a file");
    }

    private Path folder() {
        return temporary.resolve("state");
    }

    private void write(String text) throws IOException {
        HashedFolder.write(folder(), inside -> Files.writeString(inside.resolve("content"), text));
    }
}
