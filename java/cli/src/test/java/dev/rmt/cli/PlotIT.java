package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pictures of evaluations, drawn after a run and from what earlier runs saved. */
class PlotIT {
    private static final Path EARLIER = Path.of("../../benchmarks/results/2026-11-23/accuracy.json");

    @TempDir
    Path folder;

    private Program program;

    @BeforeEach
    void setUp() {
        program = new Program(folder);
    }

    private String svg(String name) throws IOException {
        String svg = Files.readString(folder.resolve(name));
        assertThat(svg).contains("<svg", "</svg");
        return svg;
    }

    @Test
    void evalDrawsWhatItPrints() throws IOException {
        Program.Result result = program.run(
                "eval",
                "--segments",
                "1,2",
                "--samples",
                "2",
                "--task",
                "detect",
                "--control",
                "--plot",
                "e.svg",
                "--json",
                "e.json");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(svg("e.svg")).contains("detect", "without memory").doesNotContain("memorize");
        // The same from the file, and nothing is run.
        Program.Result again = program.run("plot", "e.json", "--out", "again.svg");
        assertThat(again.status()).as(again.toString()).isZero();
        assertThat(again.out()).isEqualTo("Drew again.svg.\n");
        assertThat(svg("again.svg")).isEqualTo(svg("e.svg"));
    }

    @Test
    void aPictureThatCannotBeWrittenIsRefusedBeforeTheRun() {
        Program.Result result = program.run("eval", "--segments", "1", "--plot", "missing/e.png");
        assertThat(result.status()).isEqualTo(4);
        assertThat(result.out()).isEmpty();
        assertThat(result.err()).contains("--plot missing/e.png: there is no folder");
    }

    @Test
    void resultsOfSeveralModelsStandInOnePicture() throws IOException {
        String results = Files.readString(EARLIER);
        for (int stage : new int[] {1, 2, 3}) {
            Files.writeString(
                    folder.resolve(stage + ".json"), results.replace("\"built-in\"", "\"run/stage-" + stage + "\""));
        }
        Program.Result result = program.run("plot", "1.json", "2.json", "3.json", "--out", "stages.svg");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(svg("stages.svg")).contains("stage-1", "stage-2", "stage-3").doesNotContain("run/stage-1");
        Program.Result one = program.run("plot", "1.json", "--out", "one.png");
        assertThat(one.status()).as(one.toString()).isZero();
        assertThat(Files.readAllBytes(folder.resolve("one.png"))).startsWith(0x89, 'P', 'N', 'G');
    }

    @Test
    void whatIsNoResultIsRefusedWithTheFile() throws IOException {
        Files.writeString(folder.resolve("text.json"), "{\"results\": [{\"task\": \"detect\"}]}");
        Files.writeString(folder.resolve("empty.json"), "{\"results\": []}");
        Files.writeString(folder.resolve("broken.json"), "{\n\"results\": [}");
        for (String name : new String[] {"text.json", "empty.json", "broken.json", "missing.json"}) {
            Program.Result result = program.run("plot", name, "--out", "x.png");
            assertThat(result.status()).as(name).isEqualTo(4);
            assertThat(result.err().lines()).singleElement().asString().contains(name);
        }
        assertThat(folder.resolve("x.png")).doesNotExist();
        assertThat(program.run("plot", "--out", "x.png").status()).isEqualTo(2);
        assertThat(program.run("plot", "text.json", "--out", "x.gif").status()).isEqualTo(2);
    }
}
