package dev.rmt.internal;

import dev.rmt.DeviceException;
import java.io.IOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Loads the one native file, which holds kernels, model and JNI glue. It is taken out of the jar into a cache folder, or
 * from the folder that the system property {@value #FOLDER_PROPERTY} names; the system is never searched.
 */
public final class NativeLibrary {
    /** A folder that holds the native file: it is loaded from there, nothing is extracted. */
    public static final String FOLDER_PROPERTY = "rmt.native.dir";

    private static final String NAME = "jnirmt";
    private static final List<String> PLATFORMS =
            List.of("linux-x86_64", "linux-arm64", "macosx-arm64", "macosx-x86_64", "windows-x86_64");

    private static Path loadedFrom;

    private NativeLibrary() {}

    /**
     * Loads the library if this class loader has not done so yet. After a failure the next call tries again.
     *
     * @throws DeviceException in one sentence: unsupported platform, old system, unusable cache folder
     */
    public static synchronized void load() {
        if (loadedFrom != null) {
            return;
        }
        NativePlatform platform = NativePlatform.current();
        NativeCache cache = NativeCache.current();
        String folder = System.getProperty(FOLDER_PROPERTY);
        Path file = folder != null ? fileIn(Path.of(folder)) : extracted(cache, platform);
        try {
            link(file, cache, platform);
        } catch (IOException e) {
            throw cache.unusable(e);
        }
        int version = Rmt.abiVersion();
        if (version != Rmt.ABI_VERSION) {
            throw new DeviceException("The native library " + file + " has the interface version " + version
                    + ", these classes need " + Rmt.ABI_VERSION + "; use the library that belongs to this jar.");
        }
        loadedFrom = file;
    }

    /** Where the library was loaded from. Loads it. */
    public static synchronized Path file() {
        load();
        return loadedFrom;
    }

    /** Version of the library. Loads it. */
    public static String version() {
        load();
        byte[] text = new byte[64];
        Rmt.version(text, text.length);
        return NativeErrors.string(text);
    }

    /** Interface version of the library, the cheapest of all native calls. Loads it. */
    public static int abiVersion() {
        load();
        return Rmt.abiVersion();
    }

    /** Instruction sets that the library holds and this processor can run, best first. Loads it. */
    public static List<String> cpuIsas() {
        load();
        byte[] text = new byte[256];
        Rmt.cpuIsas(text, text.length);
        return List.of(NativeErrors.string(text).split(","));
    }

    private static void link(Path file, NativeCache cache, NativePlatform platform) throws IOException {
        try {
            System.load(file.toString());
        } catch (UnsatisfiedLinkError e) {
            if (!String.valueOf(e.getMessage()).contains("already loaded in another classloader")) {
                throw platform.explain(e, file);
            }
            // The JVM lets one class loader have a file; another one gets a copy, which needs no name once it is
            // mapped.
            Path copy = cache.privateCopy(file);
            try {
                System.load(copy.toString());
            } catch (UnsatisfiedLinkError again) {
                throw platform.explain(again, copy);
            } finally {
                Files.deleteIfExists(copy);
            }
        }
    }

    private static String fileName() {
        return System.mapLibraryName(NAME);
    }

    private static Path fileIn(Path folder) {
        Path file = folder.resolve(fileName()).toAbsolutePath().normalize();
        if (!Files.isRegularFile(file)) {
            throw new DeviceException(
                    "There is no " + fileName() + " in " + folder + ", the folder that the system property "
                            + FOLDER_PROPERTY + " names; correct it or leave it out.");
        }
        return file;
    }

    private static Path extracted(NativeCache cache, NativePlatform platform) {
        URL library = resource(platform.name());
        if (library == null) {
            List<String> held = PLATFORMS.stream().filter(NativeLibrary::isHeld).toList();
            throw new DeviceException("There is no native library for " + platform.name() + " in this jar, only for "
                    + (held.isEmpty() ? "none" : String.join(", ", held)) + "; build rmt on this machine.");
        }
        try {
            return cache.file(fileName(), library::openStream);
        } catch (IOException e) {
            throw new DeviceException("The native library cannot be read from the jar: " + e.getMessage(), e);
        }
    }

    private static boolean isHeld(String platform) {
        return resource(platform) != null;
    }

    private static URL resource(String platform) {
        return NativeLibrary.class.getResource(platform + "/" + fileName());
    }
}
