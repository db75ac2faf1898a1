package dev.rmt.benchmarks.report;

import dev.rmt.Device;
import dev.rmt.benchmarks.report.Step.Outcome;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Runs all benchmarks, beside the peers where they were built, and writes down what was measured. */
@Command(
        name = "report",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Runs all benchmarks and writes into the folder --out: cpu.md (tables), cpu/ (raw JSON, plots), README.md where there"
                    + " is none, and latest.json beside the folder. Other files there are left alone. The page is written anew"
                    + " after each step, so a run that is interrupted leaves what it had. benchmarks/report.sh builds everything"
                    + " first.",
            "Exit codes: 0 all was measured, 1 something failed (the page says what), 2 wrong options, 130 interrupted."
        })
public final class ReportCommand implements Callable<Integer> {
    /** The first argument that leads here. */
    public static final String NAME = "report";

    /** First line of an index of ours, which may be replaced. */
    private static final String INDEX_MARK = "<!-- written by the report -->";

    private static final int FAILED = 1;
    private static final int INTERRUPTED = 130;
    private static final int SECONDS_TO_FINISH = 20;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "folder of the results; default: benchmarks/results/<today>, in a quick run"
                    + " benchmarks/target/quick/<today>")
    private Path out;

    @Option(
            names = "--quick",
            description =
                    "a few minutes, the smallest model, short runs: shows that everything works; the figures mean nothing")
    private boolean quick;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "threads that compute; default: 2, or 1 where there is one")
    private int threads = Math.min(2, Runtime.getRuntime().availableProcessors());

    @Option(
            names = "--only",
            paramLabel = "STEP",
            split = ",",
            description =
                    "run these steps alone, and keep what the folder has of the others: the names of the files in cpu/")
    private List<String> only = List.of();

    @Option(
            names = "--peers",
            paramLabel = "DIR",
            description = "where mvn -Ppeers built the peers; default: ${DEFAULT-VALUE}")
    private Path peers = Path.of("benchmarks/peers/target");

    @Option(
            names = "--peak",
            paramLabel = "FILE",
            description = "the program fma_peak (native/bench); default: ${DEFAULT-VALUE}")
    private Path peak = Path.of("benchmarks/target/native/bench/fma_peak");

    @Spec
    private CommandSpec spec;

    private final Path root = Path.of("").toAbsolutePath();
    private final List<Outcome> outcomes = new ArrayList<>();
    private final CountDownLatch finished = new CountDownLatch(1);

    @Override
    public Integer call() throws IOException {
        if (threads < 1) {
            throw new ParameterException(spec.commandLine(), "--threads is " + threads + "; it must be 1 or more.");
        }
        Path folder = (out != null ? out : defaultFolder()).toAbsolutePath().normalize();
        Path raw = folder.resolve("cpu");
        Path logs = root.resolve("benchmarks/target/report-logs");
        try {
            Files.createDirectories(raw);
            Files.createDirectories(logs);
        } catch (IOException e) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--out " + folder + ": the folder cannot be made (" + e + "); name another one.");
        }
        ReportPlan plan = new ReportPlan(new ReportPlan.Settings(
                jar(),
                raw,
                threads,
                quick,
                Device.library().cpuIsas(),
                peers.toAbsolutePath().normalize(),
                peak.toAbsolutePath().normalize()));
        List<Step> steps = plan.steps();
        requireKnown(steps);
        if (only.isEmpty()) {
            for (String name : ReportPlan.NAMES) { // nothing of an earlier run may pass for one of this
                Files.deleteIfExists(raw.resolve(name + ".json"));
            }
        }
        Map<String, String> facts = MachineFacts.look();
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> awaitEnd(main)));
        boolean interrupted = false;
        try {
            for (Step step : steps) {
                if (only.isEmpty() || only.contains(step.name())) {
                    System.out.printf("%-22s ", step.name());
                    System.out.flush();
                    Outcome outcome = step.run(logs);
                    outcomes.add(outcome);
                    System.out.printf(
                            Locale.ROOT,
                            "%5d s  %s%n",
                            outcome.taken().toSeconds(),
                            outcome.problem().map(it -> "FAILED: " + it).orElse("ok"));
                    write(folder, steps, facts);
                }
            }
        } catch (InterruptedException e) {
            interrupted = true;
            System.out.println("interrupted");
        } finally {
            write(folder, steps, facts);
            finished.countDown();
        }
        System.out.println("Written: " + root.relativize(folder).resolve("cpu.md"));
        boolean failed = outcomes.stream().anyMatch(outcome -> outcome.problem().isPresent());
        return interrupted ? INTERRUPTED : failed ? FAILED : 0;
    }

    private Path defaultFolder() {
        return Path.of(
                quick ? "benchmarks/target/quick" : "benchmarks/results",
                LocalDate.now().toString());
    }

    private void requireKnown(List<Step> steps) {
        List<String> names = steps.stream().map(Step::name).toList();
        for (String name : only) {
            if (!names.contains(name)) {
                throw new ParameterException(
                        spec.commandLine(),
                        "--only " + name + ": there is no such step, only " + String.join(", ", names)
                                + "; those with peers need mvn -Ppeers.");
            }
        }
    }

    /** On Ctrl-C: ends the step that runs and lets the main thread write what there is. */
    private void awaitEnd(Thread main) {
        if (finished.getCount() > 0) {
            main.interrupt();
            try {
                if (!finished.await(SECONDS_TO_FINISH, TimeUnit.SECONDS)) {
                    System.err.println("The page could not be written in time.");
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void write(Path folder, List<Step> steps, Map<String, String> facts) throws IOException {
        Findings findings = new Findings(folder.resolve("cpu"));
        List<String> leftOut = leftOut(steps);
        List<String> plots = List.of();
        try {
            plots = Plots.draw(findings, folder.resolve("cpu"));
        } catch (IOException | RuntimeException | Error e) {
            // Error too: the JDK throws a bare one where there is no font.
            leftOut.add(0, "Plots: they could not be drawn (" + e + ").");
        }
        CpuPage.Run run = new CpuPage.Run(
                LocalDate.now().toString(),
                quick,
                typed(),
                facts,
                steps.stream().map(step -> step.typed(root)).toList(),
                leftOut,
                plots);
        replace(folder.resolve("cpu.md"), CpuPage.of(run, findings));
        replace(folder.resolveSibling("latest.json"), new LatestJson(findings).text());
        writeIndex(folder);
    }

    private String typed() {
        String options = String.join(" ", spec.commandLine().getParseResult().originalArgs());
        return ("benchmarks/report.sh " + options).strip();
    }

    private List<String> leftOut(List<Step> steps) {
        List<String> sentences = new ArrayList<>();
        for (Outcome outcome : outcomes) {
            outcome.problem()
                    .ifPresent(problem -> sentences.add("**" + outcome.step().name() + "**: failed, " + problem + "."));
        }
        for (Step step : steps) {
            boolean ran = outcomes.stream().anyMatch(outcome -> outcome.step().equals(step));
            if (!ran) {
                sentences.add("**" + step.name() + "**: "
                        + (Files.exists(step.result())
                                ? "not run again; its figures are of an earlier run."
                                : "not run."));
            }
        }
        if (!Files.isRegularFile(peers.resolve(ReportPlan.CLASS_PATH_FILE))) {
            sentences.add("**Peers** (ONNX Runtime, libtorch) and the memory beside them: they were not built;"
                    + " `mvn -Ppeers -DskipTests package` does.");
        }
        if (!Files.isExecutable(peak)) {
            sentences.add("**Share of peak**: there is no program fma_peak.");
        }
        sentences.add(
                "GPUs, more than one machine, other precisions than fp32, peers in batches of more than one document"
                        + " (but for training).");
        Duration taken = outcomes.stream().map(Outcome::taken).reduce(Duration.ZERO, Duration::plus);
        sentences.add("All steps together took " + taken.toMinutes() + " min " + taken.toSecondsPart() + " s.");
        return sentences;
    }

    /** An index that somebody wrote by hand stays as it is. */
    private static void writeIndex(Path folder) throws IOException {
        Path index = folder.resolve("README.md");
        if (Files.exists(index)
                && !Files.readString(index, StandardCharsets.UTF_8).startsWith(INDEX_MARK)) {
            return;
        }
        StringBuilder text = new StringBuilder(INDEX_MARK + "\n# Results of " + folder.getFileName() + "\n\n");
        try (var files = Files.list(folder)) {
            files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".md") && !name.equals("README.md"))
                    .sorted()
                    .forEach(name -> text.append("- [")
                            .append(name)
                            .append("](")
                            .append(name)
                            .append(")\n"));
        }
        replace(index, text.toString());
    }

    /** A reader sees the old file or the new one. */
    private static void replace(Path file, String content) throws IOException {
        Path temporary = file.resolveSibling("." + file.getFileName() + ".tmp");
        Files.writeString(temporary, content, StandardCharsets.UTF_8);
        Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING);
    }

    private static Path jar() {
        try {
            return Path.of(ReportCommand.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
