package dev.rmt.internal;

import static org.assertj.core.api.Assertions.assertThat;

import dev.rmt.DeviceException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NativePlatformTest {
    private static final Path FILE = Path.of("/cache/libjnirmt.so");

    @ParameterizedTest
    @CsvSource({
        "Linux, amd64, linux-x86_64",
        "Linux, x86_64, linux-x86_64",
        "Linux, aarch64, linux-arm64",
        "LINUX, AMD64, linux-x86_64",
        "Mac OS X, aarch64, macosx-arm64",
        "Windows 11, amd64, windows-x86_64",
        "Linux, riscv64, linux-riscv64",
        "FreeBSD, amd64, freebsd-x86_64"
    })
    void platformsAreNamedAfterSystemAndProcessor(String os, String arch, String name) {
        assertThat(NativePlatform.nameOf(os, arch)).isEqualTo(name);
    }

    @Test
    void platformsAreNamedAlikeUnderATurkishLocale() {
        Locale before = Locale.getDefault();
        Locale.setDefault(Locale.forLanguageTag("tr-TR"));
        try {
            assertThat(NativePlatform.nameOf("LINUX", "AARCH64")).isEqualTo("linux-arm64");
            assertThat(NativePlatform.nameOf("WINDOWS", "AMD64")).isEqualTo("windows-x86_64");
        } finally {
            Locale.setDefault(before);
        }
    }

    @Test
    void muslIsSeenInTheMapOfTheProcess(@TempDir Path folder) throws IOException {
        Path musl = Files.writeString(folder.resolve("musl"), "7f00-7f01 r-xp 0 08:01 5 /lib/ld-musl-x86_64.so.1\n");
        Path glibc = Files.writeString(
                folder.resolve("glibc"), "7f00-7f01 r-xp 0 08:01 5 /lib/x86_64-linux-gnu/libc.so.6\n");
        assertThat(NativePlatform.isMusl(musl)).isTrue();
        assertThat(NativePlatform.isMusl(glibc)).isFalse();
        assertThat(NativePlatform.isMusl(folder.resolve("missing"))).isFalse();
    }

    private static String explain(boolean musl, String message) {
        DeviceException exception =
                new NativePlatform("linux-x86_64", musl).explain(new UnsatisfiedLinkError(message), FILE);
        assertThat(exception.getMessage()).doesNotContain("\n").endsWith(".");
        return exception.getMessage();
    }

    @Test
    void anOldCLibraryIsSaidWithTheVersionThatIsNeeded() {
        assertThat(explain(
                        false, "/cache/libjnirmt.so: /lib64/libc.so.6: version `GLIBC_2.34' not found (required by x)"))
                .contains("needs GLIBC_2.34");
    }

    @Test
    void aMuslSystemIsSaid() {
        assertThat(explain(true, "Error loading shared library ld-linux-x86-64.so.2"))
                .contains("musl");
    }

    @Test
    void aNoexecFolderIsSaidWithTheWayOut() {
        assertThat(explain(false, "/cache/libjnirmt.so: failed to map segment from shared object"))
                .contains("/cache")
                .contains("noexec")
                .contains("RMT_CACHE_DIR");
    }

    @Test
    void anythingElseIsSaidAsItIs() {
        assertThat(explain(false, "no such symbol."))
                .contains("/cache/libjnirmt.so")
                .contains("no such symbol");
    }
}
