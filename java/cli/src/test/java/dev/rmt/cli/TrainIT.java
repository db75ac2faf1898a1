package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.rmt.train.CsvLogTable;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Training as a user runs it: a tiny model by a recipe of its own. */
class TrainIT {
    /** How often a run is killed; a night may take more: {@code -Drmt.kills=20}. */
    private static final int KILLS = Integer.getInteger("rmt.kills", 3);

    private static final String MODEL =
            "model: {hidden_size: 16, num_layers: 1, num_heads: 2, intermediate_size: 32, num_mem_tokens: 3, input_length: 64}\n";
    private static final String RECIPE = MODEL + """
            description: Two stages of a tiny model.
            defaults:
              learning_rate: {peak: 1.0e-3, warm_up: 5}
              dropout: {hidden: 0.1, attention: 0.1}
              optimizer: {average: 0.9}
            stages:
              - name: samples
                steps: 40
                samples: {segments: 2, batch: 4, tasks: {memorize: 1, detect: 1, reason: 1}}
                validation: {every: 20, samples: {1: 8, 2: 8}}
              - name: documents
                steps: 60
                carry_over: {weights: best}
                documents:
                  segments: 2
                  tasks: {memorize: 1, detect: 1, reason: 1}
                  questions: {short_from: 30, short_to: 40}
                  lengths: [{batch: 4, from: 30, to: 50}]
                  carry: {probability: 0.7, streams: 8}
                  memory_noise: {deviation: 0.05}
                validation: {every: 30, samples: {1: 8, 2: 8}}
            """;
    private static final ObjectMapper MAPPER = new ObjectMapper();

    @TempDir
    Path folder;

    private Program program;

    @BeforeEach
    void setUp() throws IOException {
        program = new Program(folder);
        Files.writeString(folder.resolve("tiny.yaml"), RECIPE);
    }

    private static String[] train(String out, String... more) {
        List<String> words =
                new ArrayList<>(List.of("train", "--recipe", "tiny.yaml", "--out", out, "--checkpoint-every", "3"));
        words.addAll(List.of(more));
        return words.toArray(new String[0]);
    }

    private static void assertSentence(Program.Result result, int status, String... parts) {
        assertThat(result.status()).as(result.toString()).isEqualTo(status);
        assertThat(result.err()).as(result.toString()).contains(parts).doesNotContain("\tat ", "Exception");
        assertThat(result.err()
                        .lines()
                        .filter(line -> !line.startsWith("Try: "))
                        .toList())
                .as(result.toString())
                .hasSize(1);
    }

    private byte[] weights(String out) throws IOException {
        return Files.readAllBytes(folder.resolve(out).resolve("model/model.safetensors"));
    }

    /** A log without the columns that tell of time. */
    private List<List<String>> timeless(String out, String file) throws IOException {
        CsvLogTable table = CsvLogTable.read(folder.resolve(out).resolve(file));
        List<Integer> kept = new ArrayList<>();
        for (int i = 0; i < table.columns().size(); i++) {
            if (!List.of("tokens_per_second", "seconds")
                    .contains(table.columns().get(i))) {
                kept.add(i);
            }
        }
        List<List<String>> rows = new ArrayList<>();
        rows.add(kept.stream().map(table.columns()::get).toList());
        table.rows().forEach(row -> rows.add(kept.stream().map(row::get).toList()));
        return rows;
    }

    @Test
    void aTinyModelIsTrainedLoggedDrawnTestedAndUsed() throws IOException {
        Program.Result result = program.run(train("m", "--json", "r.json", "--log-every", "5"));
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out())
                .contains("recipe     tiny: Two stages of a tiny model. 2 stages, at most 100 steps; seed 42")
                .containsPattern("validation after step 20: memorize .* % at 1, 2 segments; the best so far")
                .containsPattern("1  samples +40 ")
                .containsPattern("2  documents +60 ")
                .contains("Trained 100 steps", "The model is m/model")
                .containsPattern("reason +2 +116 +100 ")
                .doesNotContain("UNTRAINED");

        Path out = folder.resolve("m");
        assertThat(CsvLogTable.read(out.resolve("training.csv")).rows()).hasSize(20);
        assertThat(CsvLogTable.read(out.resolve("validation.csv")).rows()).hasSize(4);
        assertThat(out.resolve("recipe.yaml")).hasContent(RECIPE);
        assertThat(Arrays.copyOf(Files.readAllBytes(out.resolve("training.png")), 4))
                .isEqualTo(new byte[] {(byte) 0x89, 'P', 'N', 'G'});
        try (var events = Files.list(out.resolve("tensorboard"))) {
            assertThat(events).hasSize(1);
        }
        assertThat(Files.readAllBytes(folder.resolve("r.json")))
                .isEqualTo(Files.readAllBytes(out.resolve("provenance.json")));
        JsonNode json = MAPPER.readTree(folder.resolve("r.json").toFile());
        assertThat(json.get("seed").asText()).isEqualTo("42");
        assertThat(json.get("recipe").asText()).startsWith("tiny (sha256 ");
        assertThat(json.get("stages")).hasSize(2);
        assertThat(json.get("stages").get(1).get("steps").asInt()).isEqualTo(60);
        assertThat(json.get("results")).hasSize(6);

        Files.delete(out.resolve("training.png"));
        Program.Result plot = program.run("train", "--out", "m", "--plot-only");
        assertThat(plot.status()).as(plot.toString()).isZero();
        assertThat(out.resolve("training.png")).exists();
        assertSentence(program.run("train", "--out", "none", "--plot-only"), 4, "there is no none/training.csv");

        Program.Result eval =
                program.run("eval", "--model", "m/model", "--segments", "2", "--samples", "4", "--task", "detect");
        assertThat(eval.status()).as(eval.toString()).isZero();
        assertThat(eval.out()).doesNotContain("UNTRAINED");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aRunThatIsKilledAtRandomMomentsComesToTheSameBytes(int threads) throws IOException, InterruptedException {
        // Long enough that there is something left to do after each kill.
        Files.writeString(folder.resolve("tiny.yaml"), RECIPE.replace("steps: 60", "steps: " + 40 * KILLS));
        String number = Integer.toString(threads);
        Program.Result whole = program.run(train("whole", "--log-every", "1", "--threads", "1"));
        assertThat(whole.status()).as(whole.toString()).isZero();

        long seed = System.nanoTime();
        System.out.println("moments of the kills: seed " + seed + ", " + KILLS + " kills, " + number + " threads");
        Random random = new Random(seed);
        for (int kill = 0; kill < KILLS; kill++) {
            String[] options = train("killed", "--log-every", "1", "--threads", number);
            Process process =
                    program.start(List.of(), Map.of(), hasCheckpoint("killed") ? with(options, "--resume") : options);
            String moment = random.nextInt(5) == 0
                    ? endsWithin(process, random.nextLong(1, 3000))
                    : endsWhileTraining(process, random.nextLong(1, 300));
            process.destroyForcibly().waitFor();
            System.out.println(
                    "  kill " + (kill + 1) + " " + moment + ", checkpoint after step " + checkpointStep("killed"));
        }
        String[] options = train("killed", "--log-every", "1", "--threads", number);
        Program.Result last = program.run(hasCheckpoint("killed") ? with(options, "--resume") : options);
        assertThat(last.status()).as(last.toString()).isZero();

        assertThat(weights("killed")).isEqualTo(weights("whole"));
        for (String log : List.of("training.csv", "validation.csv")) {
            assertThat(timeless("killed", log)).isEqualTo(timeless("whole", log));
        }
        try (var content = Files.list(folder.resolve("killed"))) {
            assertThat(content.map(path -> path.getFileName().toString()))
                    .as("nothing is left of what the kills interrupted")
                    .noneMatch(name -> name.endsWith(".tmp"));
        }
    }

    private static String endsWithin(Process process, long millis) throws InterruptedException {
        boolean ended = process.waitFor(millis, TimeUnit.MILLISECONDS);
        return millis + " ms after its start" + (ended ? " (it had ended)" : "");
    }

    /** Waits until the process writes a checkpoint of its own, then some time longer. */
    private String endsWhileTraining(Process process, long millis) throws InterruptedException {
        String before = checkpointStep("killed");
        while (process.isAlive() && checkpointStep("killed").equals(before)) {
            Thread.sleep(1);
        }
        boolean ended = process.waitFor(millis, TimeUnit.MILLISECONDS);
        return millis + " ms into its steps" + (ended ? " (it had ended)" : "");
    }

    private boolean hasCheckpoint(String out) {
        return Files.exists(folder.resolve(out).resolve("checkpoint"))
                || Files.exists(folder.resolve(out).resolve("checkpoint.previous"));
    }

    private String checkpointStep(String out) {
        for (String name : List.of("checkpoint", "checkpoint.previous")) {
            try {
                return MAPPER.readTree(Files.readAllBytes(
                                folder.resolve(out).resolve(name).resolve("training.json")))
                        .path("total_step")
                        .asText();
            } catch (IOException e) {
                // It is being replaced, or there is none.
            }
        }
        return "none";
    }

    @Test
    void controlCLeavesACheckpointAndTheRunGoesOnToTheSameBytes() throws IOException, InterruptedException {
        Program.Result whole = program.run(train("whole"));
        assertThat(whole.status()).as(whole.toString()).isZero();

        Process process = program.start(List.of(), Map.of(), train("stopped"));
        try {
            long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            while (!hasCheckpoint("stopped") && System.nanoTime() < limit) {
                Thread.sleep(5);
            }
            assumeTrue(
                    hearsCtrlC(process),
                    "this process tree ignores Ctrl-C, as one that was started in the background does");
            new ProcessBuilder("kill", "-INT", Long.toString(process.pid()))
                    .start()
                    .waitFor();
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
            String said = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.exitValue()).as(said).isEqualTo(130);
            assertThat(said).contains("The checkpoint is in stopped; --resume goes on from there.");
        } finally {
            process.destroyForcibly();
        }

        Program.Result resumed = program.run(train("stopped", "--resume"));
        assertThat(resumed.status()).as(resumed.toString()).isZero();
        assertThat(resumed.out()).containsPattern("Resumed in stage [12] ");
        assertThat(weights("stopped")).isEqualTo(weights("whole"));
    }

    /** A shell starts what runs in the background with SIGINT ignored, and children inherit that. */
    private static boolean hearsCtrlC(Process process) throws IOException {
        Path status = Path.of("/proc", Long.toString(process.pid()), "status");
        long ignored = 0;
        if (Files.exists(status)) {
            for (String line : Files.readAllLines(status)) {
                ignored = line.startsWith("SigIgn:")
                        ? Long.parseUnsignedLong(line.substring(7).trim(), 16)
                        : ignored;
            }
        }
        return (ignored & 1 << 2 - 1) == 0;
    }

    @Test
    void goingOnWithAnotherInstructionSetIsSaid() {
        Program.Result first = program.run(new byte[0], List.of(), Map.of("RMT_CPU_ISA", "reference"), train("m"));
        assertThat(first.status()).as(first.toString()).isZero();
        Program.Result resumed =
                program.run(new byte[0], List.of(), Map.of("RMT_CPU_ISA", "portable"), train("m", "--resume"));
        assertThat(resumed.status()).as(resumed.toString()).isZero();
        assertThat(resumed.out()).containsPattern("notice +.*reference.*portable");
    }

    @Test
    void aRunThatHasEndedCanBeResumedToTheSameResult() throws IOException {
        assertThat(program.run(train("m")).status()).isZero();
        byte[] weights = weights("m");
        Program.Result again = program.run(train("m", "--resume"));
        assertThat(again.status()).as(again.toString()).isZero();
        assertThat(weights("m")).isEqualTo(weights);
    }

    @Test
    void otherSettingsAreRefusedAndNamedWhenARunIsResumed() throws IOException {
        assertThat(program.run(train("m")).status()).isZero();
        assertSentence(program.run(train("m", "--resume", "--seed", "43")), 4, "seed = 42", "this run has 43");
        Files.writeString(folder.resolve("noise.txt"), "It was the best of times. ".repeat(100));
        assertSentence(program.run(train("m", "--resume", "--noise", "noise.txt")), 4, "noise = ");
        Files.writeString(folder.resolve("tiny.yaml"), RECIPE.replace("steps: 60", "steps: 61"));
        assertSentence(program.run(train("m", "--resume")), 4, "stage 2: steps = 60, this run has 61");
    }

    @Test
    void numbersThatAreNoMoreFiniteEndTheRunWith6AndLeaveTheLastGoodCheckpoint() throws IOException {
        Files.writeString(folder.resolve("tiny.yaml"), MODEL + """
                        stages:
                          - name: good
                            steps: 5
                            learning_rate: {peak: 1.0e-3}
                            samples: {segments: 1, batch: 2, tasks: {detect: 1}}
                          - name: bad
                            steps: 50
                            learning_rate: {peak: 900}
                            optimizer: {weight_decay: 900}
                            samples: {segments: 1, batch: 2, tasks: {detect: 1}}
                        """);
        Program.Result result = program.run("train", "--recipe", "tiny.yaml", "--out", "m");
        assertSentence(result, 6, "Training stopped at step", "of stage \"bad\"", "is not a finite number");
        assertThat(checkpointStep("m")).isEqualTo("5");
        Program.Result eval =
                program.run("eval", "--model", "m/checkpoint", "--segments", "1", "--samples", "2", "--task", "detect");
        assertThat(eval.status()).as(eval.toString()).isZero();
        assertThat(folder.resolve("m/model")).doesNotExist();
    }

    @Test
    void wrongRecipesAreSaidWithTheKey() throws IOException {
        for (Map.Entry<String, String> wrong : Map.of(
                        RECIPE.replace("steps: 40", "stepps: 40"),
                        "stages[1].steps is missing",
                        RECIPE.replace("peak: 1.0e-3", "peak: fast"),
                        "learning_rate.peak is \"fast\"",
                        RECIPE.replace("warm_up: 5", "warmup: 5"),
                        "learning_rate.warmup is not known",
                        RECIPE.replace("description", "colour: red\ndescription"),
                        "colour is not known",
                        "stages: [",
                        "tiny.yaml")
                .entrySet()) {
            Files.writeString(folder.resolve("tiny.yaml"), wrong.getKey());
            assertSentence(program.run(train("m")), 4, wrong.getValue());
            assertThat(folder.resolve("m")).doesNotExist();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--recipe none.yaml",
                "--recipe .",
                "--noise none",
                "--validation-noise none",
                "--vocab none.txt",
                "--model none",
                "--json no/such/r.json"
            })
    void missingFilesAreBadInputAndNamed(String option) {
        Program.Result result = program.run(("train --out m " + option).split(" "));
        assertSentence(result, 4, option.split(" ")[1]);
        assertThat(folder.resolve("m/checkpoint")).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "--out m --recipe paper-detect",
                "--out m --num-mem-tokens 4",
                "--out m --model m --vocab v",
                "--out m --checkpoint-every 0",
                "--out m --log-every 0",
                "--out m --seed x"
            })
    void wrongOptionsAreUsageErrors(String options) {
        Program.Result result = program.run(("train " + options).trim().split(" "));
        assertThat(result.status()).as(result.toString()).isEqualTo(2);
        assertThat(result.err()).contains("Try: java -jar rmt.jar train --help").doesNotContain("\tat ");
        assertThat(folder.resolve("m")).doesNotExist();
    }

    @Test
    void aFolderThatIsNotOursIsLeftAlone() throws IOException {
        Path other = Files.createDirectory(folder.resolve("other"));
        Files.writeString(other.resolve("letter.txt"), "x");
        assertSentence(program.run(train("other")), 4, "--out other", "not empty");
        assertSentence(program.run(train("other", "--resume")), 4, "--out other", "no checkpoint", "--resume");
        assertSentence(program.run(train("none", "--resume")), 4, "--out none", "no such folder", "--resume");
        assertSentence(program.run(train("tiny.yaml")), 4, "--out tiny.yaml", "a file stands there");
        try (var content = Files.list(other)) {
            assertThat(content).containsExactly(other.resolve("letter.txt"));
        }
    }

    @Test
    void aRunIsNotStartedOverAnotherOne() throws IOException {
        assertThat(program.run(train("m")).status()).isZero();
        byte[] weights = weights("m");
        assertSentence(program.run(train("m")), 4, "--out m", "not empty", "--resume goes on");
        assertThat(weights("m")).isEqualTo(weights);
    }

    @Test
    void twoProcessesDoNotTrainInOneFolder() throws IOException, InterruptedException {
        Files.writeString(folder.resolve("tiny.yaml"), RECIPE.replace("steps: 40", "steps: 1000000"));
        Process first = program.start(List.of(), Map.of(), train("m"));
        try {
            long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            while (!hasCheckpoint("m") && System.nanoTime() < limit) {
                Thread.sleep(20);
            }
            assertSentence(program.run(train("m", "--resume")), 4, "--out m", "another process");
        } finally {
            first.destroyForcibly().waitFor();
        }
    }

    @Test
    void aModelOfOnesOwnIsTrained() throws IOException {
        assertThat(program.run(
                                "init",
                                "start",
                                "--hidden-size",
                                "16",
                                "--num-layers",
                                "1",
                                "--num-heads",
                                "2",
                                "--input-length",
                                "64",
                                "--num-mem-tokens",
                                "2")
                        .status())
                .isZero();
        Program.Result result = program.run(train("m", "--model", "start"));
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out()).contains("model      start: ", "2 memory tokens");
        assertThat(MAPPER.readTree(folder.resolve("m/provenance.json").toFile())
                        .get("start")
                        .asText())
                .startsWith("start (sha256 ");
    }

    private static String[] with(String[] options, String... more) {
        List<String> all = new ArrayList<>(List.of(options));
        all.addAll(List.of(more));
        return all.toArray(new String[0]);
    }
}
