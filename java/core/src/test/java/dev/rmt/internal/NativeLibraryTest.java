package dev.rmt.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.rmt.DeviceException;
import java.io.File;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.api.parallel.Resources;

@ResourceLock(Resources.SYSTEM_PROPERTIES)
class NativeLibraryTest {
    /** A class loader that shares nothing with the tests' own but the JDK. */
    private static URLClassLoader isolated() {
        URL[] path = Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                .map(NativeLibraryTest::url)
                .toArray(URL[]::new);
        return new URLClassLoader(path, ClassLoader.getPlatformClassLoader());
    }

    private static URL url(String entry) {
        try {
            return Path.of(entry).toUri().toURL();
        } catch (MalformedURLException e) {
            throw new IllegalArgumentException(e);
        }
    }

    /** Runs {@link LoaderProbe} in a class loader: hash of a memory, blank, file of the library. */
    @SuppressWarnings("unchecked")
    private static String[] probe(ClassLoader loader) throws ReflectiveOperationException {
        Class<?> type = Class.forName(LoaderProbe.class.getName(), true, loader);
        assertThat(type).isNotSameAs(LoaderProbe.class);
        return ((Supplier<String>) type.getDeclaredConstructor().newInstance())
                .get()
                .split(" ", 2);
    }

    private static <T> T with(String property, String value, Callable<T> action) throws Exception {
        String before = System.setProperty(property, value);
        try {
            return action.call();
        } finally {
            if (before == null) {
                System.clearProperty(property);
            } else {
                System.setProperty(property, before);
            }
        }
    }

    private interface Callable<T> {
        T call() throws Exception;
    }

    @Test
    void theLibraryIsTheOneThatTheClassesWereMadeFor() {
        assertThat(NativeLibrary.abiVersion()).isEqualTo(Rmt.ABI_VERSION);
        assertThat(NativeLibrary.version()).isEqualTo("0.1.0");
        assertThat(NativeLibrary.cpuIsas()).endsWith("reference").doesNotHaveDuplicates();
        assertThat(NativeLibrary.file()).isRegularFile();
    }

    @Test
    void threeClassLoadersOfOneJvmReadAlikeAtTheSameTime() throws Exception {
        List<URLClassLoader> loaders = new ArrayList<>();
        Set<String> hashes = new HashSet<>();
        for (int i = 0; i < 3; i++) {
            loaders.add(isolated());
            hashes.add(probe(loaders.get(i))[0]);
        }
        hashes.add(new LoaderProbe().get().split(" ")[0]);
        assertThat(hashes).hasSize(1);

        // Those that are left go on when one has been collected together with its library.
        loaders.remove(0).close();
        System.gc();
        for (URLClassLoader loader : loaders) {
            assertThat(hashes).contains(probe(loader)[0]);
            loader.close();
        }
    }

    @Test
    void theSystemPropertyNamesTheCacheFolderAndNoCopiesAreLeftThere(@TempDir Path folder) throws Exception {
        Path cache = folder.resolve("cache");
        Path first;
        try (URLClassLoader one = isolated();
                URLClassLoader two = isolated()) {
            first = Path.of(with(NativeCache.PROPERTY, cache.toString(), () -> probe(one))[1]);
            with(NativeCache.PROPERTY, cache.toString(), () -> probe(two));
        }
        assertThat(first).startsWith(cache);
        try (Stream<Path> files = Files.walk(cache)) {
            assertThat(files.filter(Files::isRegularFile)).containsExactly(first);
        }
    }

    @Test
    void theSystemPropertyNamesAFolderToLoadFrom(@TempDir Path folder) throws Exception {
        Path file = Files.copy(NativeLibrary.file(), folder.resolve(System.mapLibraryName("jnirmt")));
        try (URLClassLoader loader = isolated()) {
            assertThat(with(NativeLibrary.FOLDER_PROPERTY, folder.toString(), () -> probe(loader))[1])
                    .isEqualTo(file.toString());
        }
    }

    @Test
    void aFolderWithoutTheLibraryIsSaid(@TempDir Path folder) throws Exception {
        assertFails(NativeLibrary.FOLDER_PROPERTY, folder, "There is no", folder.toString());
    }

    @Test
    void aFileThatIsNoLibraryIsSaidInOneSentence(@TempDir Path folder) throws Exception {
        Files.writeString(folder.resolve(System.mapLibraryName("jnirmt")), "not a library");
        assertFails(NativeLibrary.FOLDER_PROPERTY, folder, "cannot be loaded", folder.toString());
    }

    @Test
    void anUnusableCacheFolderIsSaidAndAnotherOneCanBeNamedInTheSameProcess(@TempDir Path folder) throws Exception {
        Path blocked = Files.writeString(folder.resolve("file"), "in the way").resolve("cache");
        try (URLClassLoader loader = isolated()) {
            assertThatThrownBy(() -> with(NativeCache.PROPERTY, blocked.toString(), () -> probe(loader)))
                    .hasMessageContaining(blocked.toString())
                    .hasMessageContaining("RMT_CACHE_DIR");
            String[] result = with(NativeCache.PROPERTY, folder.resolve("good").toString(), () -> probe(loader));
            assertThat(result[1]).startsWith(folder.resolve("good").toString());
        }
    }

    @Test
    void aCacheFolderThatForbidsExecutionIsSaid() throws Exception {
        Path noexec = Path.of("/dev/shm");
        assumeTrue(isNoexec(noexec), "There is no /dev/shm that is mounted noexec.");
        Path cache = Files.createTempDirectory(noexec, "rmt-test");
        try {
            assertFails(NativeCache.PROPERTY, cache, "noexec", "RMT_CACHE_DIR");
        } finally {
            try (Stream<Path> files = Files.walk(cache)) {
                for (Path file :
                        files.sorted(java.util.Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }
    }

    private static boolean isNoexec(Path folder) {
        try {
            return Files.readAllLines(Path.of("/proc/mounts"), StandardCharsets.ISO_8859_1).stream()
                    .anyMatch(line -> line.contains(" " + folder + " ") && line.contains("noexec"));
        } catch (IOException e) {
            return false;
        }
    }

    private static void assertFails(String property, Path folder, String... parts) throws Exception {
        try (URLClassLoader loader = isolated()) {
            assertThatThrownBy(() -> with(property, folder.toString(), () -> probe(loader)))
                    .satisfies(e -> assertThat(e.getClass().getName()).isEqualTo(DeviceException.class.getName()))
                    .hasMessageContainingAll(parts)
                    .satisfies(e -> assertThat(e.getMessage()).doesNotContain("\n"));
        }
    }
}
