package dev.rmt.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.rmt.DeviceException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeCacheTest {
    private static final byte[] CONTENT = "a library".getBytes(StandardCharsets.UTF_8);
    /** More than one piece, and the last piece a full one. */
    private static final int LARGE = 1 << 20;

    private static final String NAME = "libtest.so";

    @TempDir
    private Path folder;

    private Path cached(byte[] content) {
        return cached(folder, content);
    }

    private static Path cached(Path folder, byte[] content) {
        try {
            return new NativeCache(folder).file(NAME, () -> new ByteArrayInputStream(content));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<Path> filesIn(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile).toList();
        }
    }

    @Test
    void aFileIsWrittenUnderTheHashOfItsContentAndNothingElseIsLeft() throws IOException {
        Path file = cached(folder.resolve("new/cache"), CONTENT);

        assertThat(file).hasBinaryContent(CONTENT).hasFileName(NAME);
        assertThat(file.getParent().getFileName().toString()).hasSize(32).matches("[0-9a-f]+");
        assertThat(filesIn(folder)).containsExactly(file);
    }

    @Test
    void aFileThatIsThereIsNotWrittenAgain() throws IOException {
        Path file = cached(CONTENT);
        FileTime old = FileTime.fromMillis(1_000_000_000_000L);
        Files.setLastModifiedTime(file, old);

        assertThat(cached(CONTENT)).isEqualTo(file);
        assertThat(Files.getLastModifiedTime(file)).isEqualTo(old);
    }

    @Test
    void aFileThatIsDamagedOrCutOffIsReplaced() throws IOException {
        Path file = cached(CONTENT);
        Files.writeString(file, "a libRary");
        assertThat(cached(CONTENT)).hasBinaryContent(CONTENT);
        Files.writeString(file, "a lib");
        assertThat(cached(CONTENT)).hasBinaryContent(CONTENT);
        Files.writeString(file, "a library and more");
        assertThat(cached(CONTENT)).hasBinaryContent(CONTENT);
    }

    @Test
    void oneByteAnywhereInALargeFileCounts() throws IOException {
        byte[] large = new byte[LARGE];
        Path file = cached(large);
        for (int place : new int[] {0, LARGE / 3, LARGE - 1}) {
            byte[] damaged = large.clone();
            damaged[place] = 1;
            Files.write(file, damaged);
            assertThat(cached(large)).isEqualTo(file).hasBinaryContent(large);
        }
        Files.write(file, Arrays.copyOf(large, LARGE + 1));
        assertThat(cached(large)).hasBinaryContent(large);
    }

    @Test
    void aContentThatCannotBeReadIsNotTakenForAnUnusableFolder() throws IOException {
        assertThatThrownBy(() -> new NativeCache(folder).file(NAME, () -> {
                    throw new IOException("no jar");
                }))
                .isInstanceOf(IOException.class)
                .hasMessage("no jar");
        assertThat(filesIn(folder)).isEmpty();
    }

    @Test
    void anotherContentIsAnotherFile() {
        assertThat(cached(new byte[] {1})).isNotEqualTo(cached(new byte[] {2}));
    }

    @Test
    void manyAtOnceGetTheSameFile() {
        byte[] large = new byte[LARGE];
        List<Path> files = IntStream.range(0, 32)
                .parallel()
                .mapToObj(i -> cached(large))
                .distinct()
                .toList();

        assertThat(files).hasSize(1);
        assertThat(files.get(0)).hasBinaryContent(large);
    }

    @Test
    void aFolderThatCannotBeMadeIsNamedTogetherWithTheWayOut() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "in the way");
        assertUnusable(file.resolve("cache"));
    }

    @Test
    void aFolderThatCannotBeWrittenIsNamedTogetherWithTheWayOut() {
        Path unwritable = Path.of("/proc/rmt");
        assumeTrue(Files.isDirectory(Path.of("/proc/self")), "There is no /proc, a folder that nobody can write.");
        assertUnusable(unwritable);
    }

    private static void assertUnusable(Path cache) {
        assertThatThrownBy(() -> cached(cache, CONTENT))
                .isInstanceOf(DeviceException.class)
                .hasMessageContaining(cache.toString())
                .hasMessageContaining("rmt.native.cache")
                .hasMessageContaining("RMT_CACHE_DIR");
    }

    @Test
    void privateCopiesHaveNamesOfTheirOwn() throws IOException {
        NativeCache cache = new NativeCache(folder);
        Path file = cached(CONTENT);
        Path first = cache.privateCopy(file);
        Path second = cache.privateCopy(file);

        assertThat(first).hasBinaryContent(CONTENT).isNotEqualTo(second);
    }
}
