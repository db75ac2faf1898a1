package dev.rmt.internal;

import dev.rmt.DeviceException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Operating system and processor, as the folder of the native library is called.
 *
 * @param name "linux-x86_64"
 * @param musl whether the C library of this process is musl, for which there is no build
 */
record NativePlatform(String name, boolean musl) {
    private static final Pattern GLIBC = Pattern.compile("version [`']?(GLIBC(?:XX)?_[0-9.]+)'? not found");

    static NativePlatform current() {
        return new NativePlatform(
                nameOf(System.getProperty("os.name", ""), System.getProperty("os.arch", "")),
                isMusl(Path.of("/proc/self/maps")));
    }

    static String nameOf(String osName, String osArch) {
        String os = osName.toLowerCase(Locale.ROOT);
        String arch = osArch.toLowerCase(Locale.ROOT);
        String system = os.startsWith("linux")
                ? "linux"
                : os.startsWith("mac") ? "macosx" : os.startsWith("windows") ? "windows" : os.replace(' ', '_');
        String processor = switch (arch) {
            case "amd64", "x86_64" -> "x86_64";
            case "aarch64", "arm64" -> "arm64";
            default -> arch;
        };
        return system + "-" + processor;
    }

    /** The JVM itself is linked to the C library, so its map names the one that counts. */
    static boolean isMusl(Path maps) {
        try {
            return Files.readString(maps, StandardCharsets.ISO_8859_1).contains("/ld-musl-");
        } catch (IOException e) {
            return false; // not Linux, or /proc is closed: the loader will tell
        }
    }

    /** Says in one sentence why a library could not be loaded. */
    DeviceException explain(UnsatisfiedLinkError error, Path file) {
        String message = String.valueOf(error.getMessage());
        if (musl) {
            return new DeviceException(
                    "The native library needs glibc, but this system uses musl; use a glibc system (Debian, Ubuntu, Fedora) or image.",
                    error);
        }
        Matcher glibc = GLIBC.matcher(message);
        if (glibc.find()) {
            return new DeviceException(
                    "The native library needs " + glibc.group(1)
                            + ", which this system's C library is too old for; use a newer system or build rmt on this machine.",
                    error);
        }
        // What the loader of Linux says when the file system forbids execution.
        if (message.contains("failed to map segment") || message.contains("Operation not permitted")) {
            return new DeviceException(
                    "The folder " + file.getParent()
                            + " does not allow programs to be loaded (mounted noexec?); name another one by "
                            + NativeCache.HOW_TO_OVERRIDE
                            + ".",
                    error);
        }
        return new DeviceException(
                "The native library " + file + " cannot be loaded on " + name + ": " + message, error);
    }
}
