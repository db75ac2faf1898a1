package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.rmt.train.Curriculum;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the README shows is what the program takes. */
class ReadmeTest {
    private static final Path README = Path.of("../../README.md");

    @TempDir
    Path folder;

    @Test
    void theRecipeInItIsARecipe() throws IOException {
        String text = Files.readString(README);
        int begin = text.indexOf("```yaml\n") + "```yaml\n".length();
        Path file = folder.resolve("readme.yaml");
        Files.writeString(file, text.substring(begin, text.indexOf("```", begin)));
        Curriculum recipe = Curriculum.load(file);
        assertThat(recipe.stages()).hasSize(2);
        assertThat(recipe.stages().get(1).validation().samples()).containsOnlyKeys(1, 4);
        assertThat(recipe.totalSteps()).isEqualTo(8000);
    }

    @Test
    void itNamesEveryCommandRecipeAndExitStatus() throws IOException {
        String text = Files.readString(README);
        Main.commandLine()
                .getSubcommands()
                .keySet()
                .forEach(command -> assertThat(text).contains("| `" + command));
        Curriculum.names().forEach(recipe -> assertThat(text).contains("`" + recipe + "`"));
        for (int status : new int[] {
            ExitCodes.OK,
            ExitCodes.FAILED,
            ExitCodes.USAGE,
            ExitCodes.DEVICE,
            ExitCodes.BAD_INPUT,
            ExitCodes.OUT_OF_MEMORY,
            ExitCodes.DIVERGED,
            ExitCodes.INTERRUPTED
        }) {
            assertThat(text).containsPattern("(Exit codes:|,) " + status + "\\s");
        }
    }
}
