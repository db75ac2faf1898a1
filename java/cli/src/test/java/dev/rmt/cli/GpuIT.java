package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The program on a GPU, or on what stands in for one: the library that the build names, by default the emulation. */
class GpuIT {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final String LIBRARY = System.getProperty("rmt.gpu.library");

    @TempDir
    Path folder;

    private Program program;

    @BeforeEach
    void setUp() {
        program = new Program(folder);
    }

    private Program.Result run(Map<String, String> environment, String... arguments) {
        return program.run(new byte[0], List.of("-Drmt.cuda.library=" + LIBRARY), environment, arguments);
    }

    @Test
    void doctorShowsTheLibraryAndTheGpuAndUsesIt() {
        Program.Result result = run(Map.of(), "doctor");

        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out())
                .contains(
                        "cuda        " + LIBRARY + " (named by the system property rmt.cuda.library), built with CUDA ")
                .contains("gpu 0       ", "compute capability ", "free")
                .contains("device      cuda:0 (", "chosen by auto", "All is well: cuda works.");
    }

    @Test
    void evalGivesTheAnswersOfTheCpu() throws IOException {
        smallModel();
        List<JsonNode> results = new ArrayList<>();
        for (String device : List.of("cuda", "cpu")) {
            Program.Result result = run(
                    Map.of(),
                    "eval",
                    "--model",
                    "m",
                    "--device",
                    device,
                    "--segments",
                    "4,1",
                    "--samples",
                    "5",
                    "--batch",
                    "3",
                    "--alignment",
                    "left",
                    "--json",
                    device + ".json");
            assertThat(result.status()).as(result.toString()).isZero();
            assertThat(result.out()).contains(" on " + device);
            results.add(MAPPER.readTree(folder.resolve(device + ".json").toFile()));
        }
        JsonNode gpu = results.get(0);
        assertThat(gpu.get("device").asText()).isEqualTo("cuda");
        assertThat(gpu.get("gpu").asText()).isNotBlank();
        assertThat(gpu.get("results")).hasSize(6);
        assertThat(gpu.get("results").findValuesAsText("correct"))
                .isEqualTo(results.get(1).get("results").findValuesAsText("correct"));
    }

    @ParameterizedTest
    @CsvSource({
        "cuda, DRIVER, none, there is no NVIDIA driver",
        "cuda, DRIVER, 11080, driver is for CUDA 11.8",
        "cuda, DEVICES, 0, finds no GPU",
        "cuda:1, DEVICES, 1, There is no GPU 1",
        "cuda, CAPABILITY, 5.2, compute capability 5.2",
        "cuda, CAPABILITY, 20.0, cannot run the kernels of this build"
    })
    void aGpuThatCannotBeUsedIsOneSentenceAndExit3(String device, String what, String value, String sentence) {
        Program.Result result = run(Map.of("RMT_EMULATED_" + what, value), "eval", "--device", device);

        assertThat(result.status()).as(result.toString()).isEqualTo(ExitCodes.DEVICE);
        assertThat(result.err()).contains(sentence).hasLineCount(1);
        assertThat(result.out()).isEmpty();
    }

    @Test
    void aLibraryThatIsNotThereIsOneSentenceAndExit3() {
        Program.Result result = program.runWithJvm(
                List.of("-Drmt.cuda.library=" + folder.resolve("none.so")), "eval", "--device", "cuda");

        assertThat(result.status()).as(result.toString()).isEqualTo(ExitCodes.DEVICE);
        assertThat(result.err())
                .contains("none.so", "is not there or does not load")
                .hasLineCount(1);
    }

    @Test
    void whatDoesNotFitIntoTheMemoryOfTheGpuIsRefusedWithNeededAndFreeBytes() {
        Program.Result result = run(Map.of("RMT_EMULATED_MEMORY", "1000000"), "eval", "--device", "cuda");

        assertThat(result.status()).as(result.toString()).isEqualTo(ExitCodes.OUT_OF_MEMORY);
        assertThat(result.err()).containsPattern("[0-9]{7} bytes").hasLineCount(1);
    }

    @Test
    void autoTakesTheCpuWhereTheGpuCannotBeUsedAndSaysAndRecordsWhy() throws IOException {
        smallModel();
        Program.Result result = run(
                Map.of("RMT_EMULATED_DRIVER", "none"),
                "eval",
                "--model",
                "m",
                "--segments",
                "1",
                "--samples",
                "1",
                "--json",
                "r.json");

        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out()).contains(" on cpu (").containsOnlyOnce("no GPU: there is no NVIDIA driver");
        JsonNode json = MAPPER.readTree(folder.resolve("r.json").toFile());
        assertThat(json.get("device").asText()).isEqualTo("cpu");
        assertThat(json.get("device_notice").asText()).contains("no NVIDIA driver");
    }

    @Test
    void aPrecisionThatTheGpuLacksIsRefused() {
        Program.Result result =
                run(Map.of("RMT_EMULATED_CAPABILITY", "6.1"), "eval", "--device", "auto", "--precision", "bf16");

        assertThat(result.status()).as(result.toString()).isEqualTo(ExitCodes.DEVICE);
        assertThat(result.err()).contains("fp32").hasLineCount(1);
    }

    private void smallModel() throws IOException {
        Files.writeString(
                folder.resolve("text.txt"),
                "Daniel journeyed to the bathroom. John travelled north of the garden. ".repeat(50),
                StandardCharsets.UTF_8);
        Program.Result result =
                program.run(("init m --hidden-size 32 --num-layers 1 --num-heads 4 --input-length 96 --num-mem-tokens 3"
                                + " --vocab-from text.txt --vocab-size 300 --seed 7")
                        .split(" "));
        assertThat(result.status()).as(result.toString()).isZero();
    }
}
