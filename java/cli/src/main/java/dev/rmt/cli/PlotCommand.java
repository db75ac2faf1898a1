package dev.rmt.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code rmt plot}: a picture of results that were saved. */
@Command(
        name = "plot",
        header = "Draw saved results of eval.",
        customSynopsis = "java -jar rmt.jar plot RESULT.json... --out FILE",
        description = {
            "",
            "Draws results of eval --json, of one model or of several in one picture: accuracy against the number of segments"
                    + " with bands of 95 %% confidence, tokens per second and peak memory. Runs nothing."
        },
        footer = {
            "  One result:",
            "    java -jar rmt.jar eval --json result.json",
            "    java -jar rmt.jar plot result.json --out result.png",
            "  How models after each stage of a curriculum do on longer texts:",
            "    java -jar rmt.jar train --recipe paper-detect --model bert --out run \\",
            "        --keep-stages",
            "    for n in 1 2 3; do",
            "      java -jar rmt.jar eval --model run/stage-$n --task detect \\",
            "          --segments 1,2,4,8,16 --json stage-$n.json",
            "    done",
            "    java -jar rmt.jar plot stage-*.json --out stages.svg"
        })
final class PlotCommand implements Callable<Integer> {
    @Parameters(paramLabel = "RESULT.json", arity = "1..*", description = "Files that eval --json wrote.")
    private List<Path> files;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            required = true,
            converter = Converters.PictureFile.class,
            description = "The picture: PNG or SVG by the name of the file.")
    private Path out;

    @Override
    public Integer call() throws IOException {
        List<EvalFile> results = new ArrayList<>();
        for (Path file : files) {
            InputFile.requireReadable("", file);
            results.add(EvalFile.read(file));
        }
        List<String> names = names(results);
        List<EvalChart.Run> runs = new ArrayList<>();
        for (int i = 0; i < results.size(); i++) {
            runs.add(results.get(i).run(names.get(i)));
        }
        EvalChart.save("--out", out, runs);
        System.out.println("Drew " + out + ".");
        return ExitCodes.OK;
    }

    /** Models by name, without the folder that all of them lie in; files of the same model by their own names. */
    private List<String> names(List<EvalFile> results) {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < results.size(); i++) {
            names.add(results.get(i).model().orElse(stem(files.get(i))));
        }
        if (new HashSet<>(names).size() < names.size()) {
            return files.stream().map(PlotCommand::stem).toList();
        }
        if (names.size() > 1) {
            String first = names.get(0);
            int common = first.lastIndexOf('/') + 1;
            while (common > 0 && !allBeginWith(names, first.substring(0, common))) {
                common = first.lastIndexOf('/', common - 2) + 1;
            }
            int folder = common;
            names.replaceAll(name -> name.substring(folder));
        }
        return names;
    }

    private static boolean allBeginWith(List<String> names, String folder) {
        return names.stream().allMatch(name -> name.startsWith(folder) && name.length() > folder.length());
    }

    private static String stem(Path file) {
        return String.valueOf(file.getFileName()).replaceFirst("[.]json$", "");
    }
}
