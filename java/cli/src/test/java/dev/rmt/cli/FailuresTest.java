package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.rmt.DeviceException;
import dev.rmt.InputException;
import dev.rmt.MemoryBudgetException;
import dev.rmt.ModelFormatException;
import dev.rmt.TrainingDivergedException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import org.junit.jupiter.api.Test;

class FailuresTest {
    @Test
    void eachKindOfFailureHasItsExitStatus() {
        assertThat(Failures.status(new DeviceException("x"))).isEqualTo(3);
        assertThat(Failures.status(new UnsatisfiedLinkError("x"))).isEqualTo(3);
        assertThat(Failures.status(new ModelFormatException("x"))).isEqualTo(4);
        assertThat(Failures.status(new InputException("x"))).isEqualTo(4);
        assertThat(Failures.status(new NoSuchFileException("x"))).isEqualTo(4);
        assertThat(Failures.status(new UnusableFileException("x"))).isEqualTo(4);
        assertThat(Failures.status(new MemoryBudgetException("x"))).isEqualTo(5);
        assertThat(Failures.status(new OutOfMemoryError())).isEqualTo(5);
        assertThat(Failures.status(new TrainingDivergedException("one", 3, "the loss")))
                .isEqualTo(6);
        assertThat(Failures.status(new IOException("no space left"))).isEqualTo(1);
        assertThat(Failures.status(new IllegalStateException("a bug"))).isEqualTo(1);
    }

    @Test
    void sentencesSpeakOfTheFileAndNotOfTheException() {
        assertThat(Failures.sentence(new NoSuchFileException("a/b.txt"), false))
                .isEqualTo("There is no file or folder a/b.txt.");
        assertThat(Failures.sentence(new AccessDeniedException("a/b.txt"), false))
                .startsWith("a/b.txt may not be");
        assertThat(Failures.sentence(new UncheckedIOException("Cannot save x.", new IOException()), false))
                .isEqualTo("Cannot save x.");
    }

    @Test
    void aFullHeapIsSaidWithTheRemedy() {
        assertThat(Failures.sentence(new OutOfMemoryError("Java heap space"), false))
                .contains("java -Xmx");
    }

    @Test
    void nativeSentencesBeginWithACapitalAndPathsStayAsTheyAre() {
        assertThat(Failures.sentence(
                        new MemoryBudgetException("the memory needs 9 bytes, and 8 bytes are available."), false))
                .isEqualTo("The memory needs 9 bytes, and 8 bytes are available; a smaller batch or model needs less.");
        assertThat(Failures.sentence(new InputException("book.txt is empty."), false))
                .isEqualTo("book.txt is empty.");
    }
}
