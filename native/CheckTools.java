import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Says at once which tool the native build lacks, and the line that installs it.
 *
 * <p>Run by Maven as a single source file, before CMake: {@code java CheckTools.java}. Ends with status 1 when a
 * tool is missing.
 */
public final class CheckTools {
    private static final int CMAKE_MAJOR = 3;
    private static final int CMAKE_MINOR = 22;

    private CheckTools() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        List<String> missing = new ArrayList<>();
        checkCmake(missing);
        checkMake(missing);
        checkCompiler(missing);
        if (!missing.isEmpty()) {
            System.err.println();
            missing.forEach(System.err::println);
            System.err.println("Install what is missing:  " + installLine());
            System.err.println();
            System.exit(1);
        }
    }

    private static void checkCmake(List<String> missing) throws IOException, InterruptedException {
        String output = outputOf("cmake", "--version");
        if (output == null) {
            missing.add("rmt needs CMake " + CMAKE_MAJOR + "." + CMAKE_MINOR + " or newer: no `cmake` on the PATH.");
            return;
        }
        Matcher version = Pattern.compile("cmake version (\\d+)\\.(\\d+)(\\S*)").matcher(output);
        if (!version.find()) {
            missing.add("rmt needs CMake " + CMAKE_MAJOR + "." + CMAKE_MINOR + " or newer: `cmake --version` prints no"
                    + " version.");
            return;
        }
        int major = Integer.parseInt(version.group(1));
        int minor = Integer.parseInt(version.group(2));
        if (major < CMAKE_MAJOR || (major == CMAKE_MAJOR && minor < CMAKE_MINOR)) {
            missing.add("rmt needs CMake " + CMAKE_MAJOR + "." + CMAKE_MINOR + " or newer: this is " + major + "."
                    + minor + version.group(3) + ".");
        }
    }

    /** CMake's default generator writes makefiles; who sets CMAKE_GENERATOR knows what it needs. */
    private static void checkMake(List<String> missing) throws IOException, InterruptedException {
        if (System.getenv("CMAKE_GENERATOR") == null && outputOf("make", "--version") == null) {
            missing.add("rmt needs make: no `make` on the PATH.");
        }
    }

    /** A compiler counts only when it compiles C++17 to an object file: a driver without its C++ part is common. */
    private static void checkCompiler(List<String> missing) throws IOException, InterruptedException {
        String chosen = System.getenv("CXX");
        List<String> candidates =
                chosen == null || chosen.isBlank() ? List.of("c++", "g++", "clang++") : List.of(chosen.trim());
        Path folder = Files.createTempDirectory("rmt-check");
        try {
            Path source = folder.resolve("probe.cpp");
            Files.writeString(
                    source,
                    "#include <optional>\n#include <vector>\n"
                            + "int probe() { std::optional<int> x = 1; std::vector v{1, 2}; return *x + v[0]; }\n");
            for (String candidate : candidates) {
                // CXX may hold a launcher and flags: "ccache g++".
                List<String> command = new ArrayList<>(List.of(candidate.split("\\s+")));
                command.addAll(List.of(
                        "-std=c++17",
                        "-c",
                        source.toString(),
                        "-o",
                        folder.resolve("probe.o").toString()));
                if (outputOf(command.toArray(new String[0])) != null) {
                    return;
                }
            }
        } finally {
            Files.deleteIfExists(folder.resolve("probe.cpp"));
            Files.deleteIfExists(folder.resolve("probe.o"));
            Files.deleteIfExists(folder);
        }
        missing.add("rmt needs a C++17 compiler: none of " + candidates
                + " compiles a C++17 file (set CXX to choose another).");
    }

    /** Standard output and error of a command, or null when it cannot be run or fails. */
    private static String outputOf(String... command) throws IOException, InterruptedException {
        Process process;
        try {
            process = new ProcessBuilder(command).redirectErrorStream(true).start();
        } catch (IOException e) {
            return null;
        }
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes());
        if (!process.waitFor(60, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            return null;
        }
        return process.exitValue() == 0 ? output : null;
    }

    private static String installLine() {
        if (System.getProperty("os.name").startsWith("Mac")) {
            return "xcode-select --install && brew install cmake";
        }
        if (Files.exists(Path.of("/etc/fedora-release")) || Files.exists(Path.of("/etc/redhat-release"))) {
            return "sudo dnf install cmake gcc-c++ make";
        }
        if (Files.exists(Path.of("/etc/arch-release"))) {
            return "sudo pacman -S cmake gcc make";
        }
        return "sudo apt-get install cmake g++ make";
    }
}
