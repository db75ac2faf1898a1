package dev.rmt.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.rmt.DeviceException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeCacheTest {
    private static final byte[] CONTENT = "a library".getBytes(StandardCharsets.UTF_8);
    private static final String NAME = "libtest.so";

    @TempDir
    private Path folder;

    private static List<Path> filesIn(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile).toList();
        }
    }

    @Test
    void aFileIsWrittenUnderTheHashOfItsContentAndNothingElseIsLeft() throws IOException {
        Path file = new NativeCache(folder.resolve("new/cache")).file(NAME, CONTENT);

        assertThat(file).hasBinaryContent(CONTENT).hasFileName(NAME);
        assertThat(file.getParent().getFileName().toString()).hasSize(32).matches("[0-9a-f]+");
        assertThat(filesIn(folder)).containsExactly(file);
    }

    @Test
    void aFileThatIsThereIsNotWrittenAgain() throws IOException {
        NativeCache cache = new NativeCache(folder);
        Path file = cache.file(NAME, CONTENT);
        FileTime old = FileTime.fromMillis(1_000_000_000_000L);
        Files.setLastModifiedTime(file, old);

        assertThat(cache.file(NAME, CONTENT)).isEqualTo(file);
        assertThat(Files.getLastModifiedTime(file)).isEqualTo(old);
    }

    @Test
    void aFileThatIsDamagedOrCutOffIsReplaced() throws IOException {
        NativeCache cache = new NativeCache(folder);
        Path file = cache.file(NAME, CONTENT);
        Files.writeString(file, "a libRary");
        assertThat(cache.file(NAME, CONTENT)).hasBinaryContent(CONTENT);
        Files.writeString(file, "a lib");
        assertThat(cache.file(NAME, CONTENT)).hasBinaryContent(CONTENT);
    }

    @Test
    void anotherContentIsAnotherFile() {
        NativeCache cache = new NativeCache(folder);
        assertThat(cache.file(NAME, new byte[] {1})).isNotEqualTo(cache.file(NAME, new byte[] {2}));
    }

    @Test
    void manyAtOnceGetTheSameFile() {
        NativeCache cache = new NativeCache(folder);
        byte[] large = new byte[1 << 20];
        List<Path> files = IntStream.range(0, 32)
                .parallel()
                .mapToObj(i -> cache.file(NAME, large))
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
        assertThatThrownBy(() -> new NativeCache(cache).file(NAME, CONTENT))
                .isInstanceOf(DeviceException.class)
                .hasMessageContaining(cache.toString())
                .hasMessageContaining("rmt.native.cache")
                .hasMessageContaining("RMT_CACHE_DIR");
    }

    @Test
    void privateCopiesHaveNamesOfTheirOwn() throws IOException {
        NativeCache cache = new NativeCache(folder);
        Path file = cache.file(NAME, CONTENT);
        Path first = cache.privateCopy(file);
        Path second = cache.privateCopy(file);

        assertThat(first).hasBinaryContent(CONTENT).isNotEqualTo(second);
    }
}
