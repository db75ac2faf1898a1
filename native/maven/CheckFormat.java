import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * Checks the format of the C and C++ files with clang-format 14, or says that the check is skipped.
 *
 * <p>Run by Maven as a single source file in {@code native/}: {@code java maven/CheckFormat.java}; with the argument
 * {@code --fix} it rewrites the files instead. Other releases of clang-format break some lines differently, so they are
 * not used. Ends with status 1 when a file is not formatted.
 */
public final class CheckFormat {
    private static final String VERSION = "14";

    private CheckFormat() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        String tool = findTool();
        if (tool == null) {
            System.out.println("clang-format " + VERSION + " is not installed: the format of the C++ files is not checked"
                    + " (sudo apt-get install clang-format-" + VERSION + ").");
            return;
        }
        boolean fix = args.length > 0 && args[0].equals("--fix");
        List<String> command = new ArrayList<>(List.of(tool, "--style=file"));
        command.addAll(fix ? List.of("-i") : List.of("--dry-run", "-Werror"));
        int options = command.size();
        for (String folder : List.of("include", "src", "tests", "bench")) {
            addSources(Path.of(folder), command);
        }
        if (command.size() == options) {
            return;
        }
        int status = new ProcessBuilder(command).inheritIO().start().waitFor();
        if (status != 0) {
            System.err.println("The files above are not formatted. To format them: cd native && java"
                    + " maven/CheckFormat.java --fix");
            System.exit(1);
        }
    }

    private static void addSources(Path folder, List<String> files) throws IOException {
        if (!Files.isDirectory(folder)) {
            return;
        }
        try (Stream<Path> paths = Files.walk(folder)) {
            paths.map(Path::toString)
                    .filter(name -> name.endsWith(".h") || name.endsWith(".cpp") || name.endsWith(".inc"))
                    .sorted()
                    .forEach(files::add);
        }
    }

    private static String findTool() throws IOException, InterruptedException {
        for (String candidate : List.of("clang-format-" + VERSION, "clang-format")) {
            try {
                Process process = new ProcessBuilder(candidate, "--version")
                        .redirectErrorStream(true)
                        .start();
                String output = new String(process.getInputStream().readAllBytes());
                if (process.waitFor() == 0 && output.contains("version " + VERSION + ".")) {
                    return candidate;
                }
            } catch (IOException e) {
                // Not on the PATH: the next candidate.
            }
        }
        return null;
    }
}
