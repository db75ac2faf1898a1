package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a user sees of the program as a whole: help, wrong options, missing files, refusals, exit status. */
class ProgramIT {
    @TempDir
    Path folder;

    private Program program;

    @BeforeEach
    void setUp() {
        program = new Program(folder);
    }

    private static void assertOneSentence(Program.Result result, int status, String... parts) {
        assertThat(result.status()).as(result.toString()).isEqualTo(status);
        assertThat(result.err()).as(result.toString()).contains(parts).doesNotContain("\tat ", "Exception");
        assertThat(result.err()
                        .lines()
                        .filter(line -> !line.startsWith("Try: "))
                        .toList())
                .as(result.toString())
                .hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"eval", "train", "read", "init", "info", "doctor"})
    void everyCommandHasHelpWithWorkedExamples(String command) {
        Program.Result result = program.run(command, "--help");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out()).contains("Usage:", "Examples:", "java -jar rmt.jar " + command, "Exit codes:");
        assertThat(result.err()).isEmpty();
    }

    @Test
    void theProgramItselfHasHelpThatNamesTheCommands() {
        Program.Result result = program.run("--help");
        assertThat(result.status()).isZero();
        assertThat(result.out()).contains("eval", "train", "read", "init", "info", "doctor", "Examples:");
    }

    @Test
    void helpOfTrainingNamesTheRecipes() {
        assertThat(program.run("train", "--help").out()).contains("small", "control", "paper-detect", "--resume");
    }

    @Test
    void versionIsSaidOnStdout() {
        Program.Result result = program.run("--version");
        assertThat(result.status()).isZero();
        assertThat(result.out()).startsWith("rmt 0.");
        assertThat(result.out()).doesNotContain("${");
    }

    @Test
    void noCommandIsAUsageError() {
        assertOneSentence(program.run(), 2, "Name a command");
    }

    @Test
    void anUnknownCommandIsAUsageErrorThatNamesIt() {
        assertThat(program.run("evaluate").status()).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--samples 0",
                "--samples -3",
                "--samples many",
                "--samples 99999999999",
                "--samples 1.5",
                "--segments 0",
                "--segments 1,,2",
                "--segments 1,-2",
                "--segments 4294967297",
                "--segments ,",
                "--batch 0",
                "--batch 10000000",
                "--threads 100000",
                "--threads 0",
                "--threads -1",
                "--seed x",
                "--seed 99999999999999999999",
                "--task memorise",
                "--placement near",
                "--alignment up",
                "--device gpu",
                "--precision half",
                "--precision bf16 --device cpu",
                "--memory-rows some",
                "--num-mem-tokens 4",
                "--resume",
                "--control --reset-memory",
                "--frobnicate"
            })
    void wrongOptionsOfEvalAreUsageErrors(String options) {
        String[] words = ("eval " + options).split(" ");
        assertOneSentence(program.run(words), 2, words[1]);
    }

    @Test
    void aMissingModelIsBadInput() {
        assertOneSentence(program.run("eval", "--model", "none"), 4, "none", "no such folder");
    }

    @Test
    void aFileInThePlaceOfAModelIsBadInput() throws IOException {
        Files.writeString(folder.resolve("model"), "x");
        assertOneSentence(program.run("read", "--model", "model", "model"), 4, "--model model");
    }

    @Test
    void anEmptyModelFolderIsBadInput() throws IOException {
        Files.createDirectory(folder.resolve("model"));
        assertOneSentence(program.run("info", "model"), 4, "config.json");
    }

    @Test
    void missingNoiseFactsAndTextsAreBadInput() {
        assertOneSentence(program.run("eval", "--noise", "none.txt"), 4, "none.txt");
        assertOneSentence(program.run("eval", "--facts", "none.txt"), 4, "none.txt");
        assertOneSentence(program.run("read", "none.txt"), 4, "none.txt");
        assertOneSentence(program.run("read", "-", "--memory", "none.rmt"), 4, "none.rmt");
        assertOneSentence(program.run("init", "new", "--vocab", "none.txt"), 4, "none.txt");
        assertOneSentence(program.run("init", "new", "--vocab-from", "none.txt"), 4, "none.txt");
    }

    @Test
    void aFolderWhereAFileIsExpectedIsBadInput() {
        assertOneSentence(program.run("eval", "--facts", "."), 4, "--facts .");
        assertOneSentence(program.run("read", "."), 4, "folder");
        assertOneSentence(program.run("read", "-", "--memory", "."), 4, "--memory .");
    }

    @Test
    void anUnwritableResultIsRefusedBeforeTheRun() {
        assertOneSentence(program.run("eval", "--json", "no/such/x.json"), 4, "--json no/such/x.json");
        assertOneSentence(program.run("eval", "--json", "."), 4, "--json .");
        assertOneSentence(program.run("read", "-", "--save-memory", "no/such/x.rmt"), 4, "--save-memory no/such/x.rmt");
    }

    @Test
    void cudaIsRefusedWithTheReasonAndNeverReplaced() {
        assumeFalse(Files.exists(Path.of("/dev/nvidiactl")), "this machine has a driver");
        assertOneSentence(program.run("eval", "--device", "cuda"), 3, "CUDA cannot be used");
        assertOneSentence(program.run("eval", "--device", "cuda:1", "--precision", "tf32"), 3, "CUDA cannot be used");
        Program.Result result = program.run("doctor", "--device", "cuda:1");
        assertThat(result.status()).as(result.toString()).isEqualTo(3);
        assertThat(result.out()).contains("cuda        CUDA cannot be used: ").doesNotContain("device      cpu");
    }

    @Test
    void anUnknownInstructionSetIsADeviceErrorThatNamesTheOnesThereAre() {
        Program.Result result = program.run(new byte[0], List.of(), Map.of("RMT_CPU_ISA", "sse9"), "eval");
        assertOneSentence(result, 3, "sse9", "reference");
    }

    @Test
    void anUnusableCacheFolderIsADeviceErrorInOneSentence() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "x");
        Program.Result result = program.run(
                new byte[0], List.of("-Duser.home=" + file), Map.of("XDG_CACHE_HOME", file.toString()), "eval");
        assertOneSentence(result, 3, file.toString());
    }

    @Test
    void doctorSaysThatTheMachineWorks() {
        Program.Result result = program.run("doctor");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out()).contains("native", "device      cpu", "reference", "All is well");
        assertThat(result.err()).as("no warnings on stderr").isEmpty();
    }

    @Test
    void doctorNamesTheInstructionSetThatIsForced() {
        Program.Result result =
                program.run(new byte[0], List.of(), Map.of("RMT_CPU_ISA", "reference"), "doctor", "--threads", "1");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out()).contains("cpu (reference, 1 thread");
    }

    @Test
    void initInfoEvalWorkOneAfterTheOther() throws IOException {
        Files.writeString(
                folder.resolve("text.txt"),
                "Daniel journeyed to the bathroom. John travelled north of the garden. ".repeat(50),
                StandardCharsets.UTF_8);
        Program.Result init = program.run(
                "init",
                "m",
                "--hidden-size",
                "32",
                "--num-layers",
                "1",
                "--num-heads",
                "4",
                "--input-length",
                "64",
                "--num-mem-tokens",
                "3",
                "--vocab-from",
                "text.txt",
                "--vocab-size",
                "300",
                "--seed",
                "7");
        assertThat(init.status()).as(init.toString()).isZero();
        Program.Result info = program.run("info", "m");
        assertThat(info.status()).as(info.toString()).isZero();
        assertThat(info.out())
                .contains(
                        "1 layers of 32",
                        "4 heads",
                        "58 tokens of content, 3 memory tokens",
                        "classifier.weight",
                        "6 x 32");
        Program.Result eval =
                program.run("eval", "--model", "m", "--segments", "1,2", "--samples", "3", "--task", "detect");
        assertThat(eval.status()).as(eval.toString()).isZero();
        assertThat(eval.out())
                .contains("UNTRAINED")
                .containsPattern("detect +1 +58 ")
                .containsPattern("detect +2 +116 ");
    }

    @Test
    void initRefusesAFolderThatHoldsSomething() throws IOException {
        Files.writeString(Files.createDirectory(folder.resolve("m")).resolve("x"), "x");
        assertOneSentence(program.run("init", "m"), 4, "not empty");
        assertThat(folder.resolve("m/config.json")).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--hidden-size 0",
                "--hidden-size 130 --num-heads 4",
                "--num-layers -1",
                "--num-heads 0",
                "--input-length 10",
                "--num-mem-tokens -1",
                "--num-mem-tokens 509",
                "--vocab-size 0",
                "--vocab-size 100",
                "--labels a,a",
                "--labels a,,b",
                "--vocab a --vocab-from b"
            })
    void impossibleShapesAreUsageErrors(String options) {
        Program.Result result = program.run(("init m " + options).split(" "));
        assertThat(result.status()).as(result.toString()).isEqualTo(2);
        assertThat(result.err()).doesNotContain("\tat ");
        assertThat(folder.resolve("m")).doesNotExist();
    }

    @Test
    void aModelThatDoesNotFitIntoMemoryIsRefusedWithTheBytes() {
        Program.Result result =
                program.run("eval", "--segments", "1", "--samples", "2", "--batch", "1000000", "--task", "detect");
        assertOneSentence(result, 5, "needs", "bytes are available", "smaller batch");
    }

    @Test
    void aSmallHeapEndsInSuccessOrInOneSentence() {
        Program.Result result = program.runWithJvm(
                List.of("-Xmx64m"), "eval", "--segments", "1,4", "--samples", "2", "--task", "detect");
        assertThat(result.status()).as(result.toString()).isZero();
        Program.Result tiny =
                program.runWithJvm(List.of("-Xmx8m"), "eval", "--segments", "1", "--samples", "1", "--task", "detect");
        if (tiny.status() != 0) {
            assertOneSentence(tiny, 5, "-Xmx");
        }
    }

    @Test
    void debugShowsWhereAFailureComesFrom() {
        Program.Result result = program.run("--debug", "info", "none");
        assertThat(result.status()).isEqualTo(4);
        assertThat(result.err()).contains("\tat dev.rmt");
    }
}
